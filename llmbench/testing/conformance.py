"""Whether plugins behave: what they declare holds in a comparison that is over in seconds.

All plugins that are named are checked in one comparison, and in one more for each task after the
first and each model, so that several kinds in one distribution cost little more than one.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from llmbench import plugin
from llmbench.analysis.checks import elsewhere, first_loss_problems
from llmbench.config import composition
from llmbench.errors import CompositionError, PluginError, UserError, nearest
from llmbench.output.html.sections import content_of
from llmbench.plugin.catalogue import Plugin
from llmbench.plugin.metric import Metric, ModelMetric
from llmbench.plugin.model import Model
from llmbench.plugin.scoring import checked
from llmbench.plugin.section import Section
from llmbench.plugin.strategy import Strategy
from llmbench.plugin.task import INPUT, Task
from llmbench.record.comparison import Comparison
from llmbench.record.record import Record
from llmbench.run.comparison import Finished
from llmbench.source.model import find
from llmbench.storage.export import rendered
from llmbench.testing import again, module
from llmbench.testing.bench import finished
from llmbench.testing.module import Finding
from llmbench.testing.new import PREFIX


def check(
    names: Sequence[str], folder: Path | None = None, model: str = "llmbench-tiny"
) -> list[Finding]:
    """Check plugins, named by their entry points or as files; comparisons land in the folder.

    They are tried on the model, which is named as for `--model`. PluginError for a plugin that is
    not installed.
    """
    sources = [plugin_of(name) for name in names]
    suite = Suite(model)
    for source in sources:
        items = module.items_of(source)
        suite.findings += module.findings(source, items)
        for hook, registered in items.items():
            suite.offers += [Offer(source.name, hook, id, item) for id, item in registered.items()]
    with ExitStack() as resources:
        root = folder or Path(
            resources.enter_context(tempfile.TemporaryDirectory(prefix="llmbench-"))
        )
        suite.run(root)
    order = [source.name for source in sources]
    # A probe, say, is in several comparisons, and found well in each.
    return sorted(dict.fromkeys(suite.findings), key=lambda finding: order.index(finding.plugin))


def plugin_of(name: str) -> Plugin:
    """The plugin of that name, installed or in a file."""
    if name.endswith(".py"):
        return plugin.include(Path(name))
    plugins = {source.name: source for source in plugin.registry().plugins}
    if name not in plugins:
        folder = Path(PREFIX + name.removeprefix(PREFIX))
        if folder.is_dir():
            package = folder.name.replace("-", "_")
            raise PluginError(
                f"The plugin '{name}' is not installed: pip install -e ./{folder}, or name its "
                f"module, {folder / package / '__init__.py'}."
            )
        raise PluginError(f"The plugin '{name}' is not installed: {nearest(name, plugins)}")
    return plugins[name]


@dataclass(frozen=True)
class Offer:
    """Something that a plugin registers."""

    plugin: str
    hook: str
    id: str
    item: Any

    def finding(self, about: str, problem: str | None = None) -> Finding:
        """What was found of it."""
        return Finding(self.plugin, f"'{self.id}' {about}", problem)

    def unchecked(self, about: str, why: str) -> Finding:
        """What nobody looked at, and why."""
        return Finding(self.plugin, f"'{self.id}' {about}", unchecked=why)

    def looked(self, about: str, look: Callable[[], str | None]) -> Finding:
        """What a look at it finds, which may turn out to be none."""
        try:
            return self.finding(about, look())
        except Unchecked as why:
            return self.unchecked(about, str(why))


@dataclass
class Suite:
    """What is to be checked together, and what has been found."""

    model: str
    offers: list[Offer] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def of(self, hook: str) -> list[Offer]:
        """What is registered through a hook."""
        return [offer for offer in self.offers if offer.hook == hook]

    def run(self, root: Path) -> None:
        """Compare all that can be compared, and look at what came of it."""
        strategies = [offer for offer in self.of("register_strategies") if self._declares(offer)]
        metrics = [offer for offer in self.of("register_metrics") if self._scores(offer)]
        tasks = self.of("register_tasks")
        models = self.of("register_models")
        for command in self.of("register_commands"):
            why = "A command is tried by its author: nothing here knows what it needs."
            self.findings.append(command.unchecked("runs", why))
        for launcher in self.of("register_launchers"):
            why = "A launcher is tried with --launcher: nothing here knows what it needs."
            self.findings.append(launcher.unchecked("runs a worker", why))
        if not (strategies or metrics or tasks or models or self.watched):
            return
        tried = ",".join(c for s in strategies for c in compositions(s.item))
        asked = {"strategies": tried or adapter(), "model": self.model}
        if metrics:  # else the task's own
            asked["metrics"] = ",".join(m.id for m in metrics)
        alone = not models or strategies or metrics
        for number, task in enumerate(tasks or ([None] if alone else [])):
            where = root / f"tasks-{number}"
            self._compare(where, strategies, metrics, task, asked)
        for number, model in enumerate(models):
            self._compare(root / f"models-{number}", [], [], model, {"strategies": adapter()})

    @property
    def watched(self) -> list[Offer]:
        """What every comparison takes along."""
        kinds = ("probes", "exporters", "listeners", "sections")
        return [offer for kind in kinds for offer in self.of(f"register_{kind}")]

    def _compare(
        self,
        where: Path,
        strategies: Sequence[Offer],
        metrics: Sequence[Offer],
        subject: Offer | None,
        asked: dict[str, str],
    ) -> None:
        about = "runs in a comparison"
        taking = [*strategies, *metrics, *([subject] if subject else []), *self.watched]
        try:
            options = {**asked, **_options(subject, where)}
            done = finished(where / "report", **options)
        except Unchecked as why:
            assert subject
            self.findings += [offer.unchecked(about, str(why)) for offer in taking]
            return
        except UserError as error:
            self.findings += [offer.finding(about, str(error)) for offer in taking]
            return
        records = done.comparison.reported.planned
        if subject:
            self.findings.append(subject.looked(about, lambda: _ended(records)))
        for offer in strategies:
            self.findings += trained(offer, compositions(offer.item), records)
        location = find(self.model, "pretrained", None).weights_location
        alone = {compositions(offer.item)[0]: offer for offer in strategies}
        self.findings += loaded_again(alone, records, location, again.asked)
        for offer in metrics:
            self.findings.append(
                offer.looked("gives the scores that it declares", partial(scored, offer, records))
            )
            if not issubclass(offer.item, ModelMetric):  # which score no texts
                look = partial(bounded, offer, records)
                self.findings.append(
                    offer.looked("keeps them within its range, whatever is said", look)
                )
        self._look_at_watched(done)

    def _look_at_watched(self, done: Finished) -> None:
        """What became of probes, exporters, listeners and sections in a comparison."""
        comparison = done.comparison
        for offer in self.of("register_probes"):
            self.findings.append(
                offer.finding(
                    "has figures in every phase", probed(offer, comparison.reported.planned)
                )
            )
        for offer in self.of("register_exporters"):
            self.findings.append(offer.finding("writes its file", exported(offer, comparison)))
        for offer in self.of("register_sections"):
            look = partial(_content, offer.item, comparison)
            self.findings.append(offer.looked("has something to say", look))
        for offer in self.of("register_listeners"):
            told = (p for p in done.written.problems if f"'{offer.id}'" in p)
            self.findings.append(offer.finding("hears a comparison to its end", next(told, None)))

    def _declares(self, offer: Offer) -> bool:
        """Look at a strategy's options and compositions; whether it can be run."""
        kind: type[Strategy] = offer.item
        needed = [name for name, option in kind.model_fields.items() if needs(option)]
        if needed:
            why = f"It needs '{needed[0]}': give the option a default, or examples, to have it run."
            self.findings.append(offer.unchecked("runs, trains and saves", why))
            return False
        about = "can be made, and its options read again from a record"
        try:
            made = example(kind)
            same = kind.model_validate_json(made.model_dump_json()) == made
        except Exception as error:  # a plugin may do anything
            self.findings.append(offer.finding(about, f"It fails ({plugin.reason(error)})."))
            return False
        wrong = None if same else "What is read is not what was written: use plain types."
        self.findings.append(offer.finding(about, wrong))
        self.findings.append(offer.looked("refuses another of its group", lambda: refuses(kind)))
        try:
            for text in compositions(kind):
                composition.read(text)
        except UserError as error:
            self.findings.append(offer.finding("composes", str(error)))
            return False
        return True

    def _scores(self, offer: Offer) -> bool:
        """Whether a metric can be run without being told anything."""
        kind: type[Metric] = offer.item
        needed = [name for name, option in kind.model_fields.items() if option.is_required()]
        why = f"It needs '{needed[0]}'." if needed else kind.check(None)
        if why:
            self.findings.append(offer.unchecked("gives the scores that it declares", why))
        return not why


def needs(option: FieldInfo) -> bool:
    """Whether nothing can be made without being told the option: it has no default, no example."""
    return option.is_required() and not option.examples


def example(kind: type[Strategy]) -> Strategy:
    """A strategy with its defaults, and the first of the examples where it has none."""
    fields = kind.model_fields.items()
    return kind(**{n: o.examples[0] for n, o in fields if o.is_required() and o.examples})


def compositions(kind: type[Strategy]) -> list[str]:
    """A strategy alone, and with one that saves activations, unless both decide the same."""
    registry, made = plugin.registry(), example(kind)
    alone = composition.label(made)
    partners = [p for p in registry.savers("activations") if p != kind.id]
    if not partners or not kind.trains:
        return [alone]
    partner = registry.strategies.get(partners[0])
    shared = composition.claims(made) & composition.claims(partner())
    return [alone] if shared else [alone, f"{alone}+{partner.id}"]


def adapter() -> str:
    """An adaptation that trains few weights, with which metrics, tasks and models are checked.

    It is what strategies stand on that cannot stand on full fine-tuning.
    """
    kinds = plugin.registry().strategies.items().values()
    usual = Strategy.stands_on
    return next((kind.stands_on for kind in kinds if kind.stands_on != usual), usual)


def refuses(kind: type[Strategy]) -> str | None:
    """A sentence where a composition takes another built-in strategy of the same group.

    Unchecked where there is none that can be made without being told anything.
    """
    for entry in plugin.registry().strategies.entries.values():
        needy = any(map(needs, entry.item.model_fields.values()))
        if needy or not entry.source.ours or entry.item is kind or entry.item.group != kind.group:
            continue
        both = "+".join(composition.label(example(one)) for one in (kind, entry.item))
        try:
            composition.read(both)
        except CompositionError:
            return None
        return f"'{both}' is taken, though both decide '{kind.group}'."
    raise Unchecked(f"No built-in strategy that needs no option is of the group '{kind.group}'.")


def trained(offer: Offer, texts: Sequence[str], records: Sequence[Record]) -> Iterator[Finding]:
    """What became of a strategy's compositions."""
    problems = first_loss_problems(records)
    for text in texts:
        record = of_composition(text, records)
        as_typed = f"as {text}"
        yield offer.looked(f"runs {as_typed}", partial(_ended, [record]))
        if record.status != "ok" or not record.cell.trains:
            continue
        reason = elsewhere(record)
        start = "starts elsewhere, as it says" if reason else "starts from the base model's loss"
        yield offer.finding(f"{start} {as_typed}", problems.get(record.cell.id))
        yield offer.finding(f"trains weights and saves them {as_typed}", _kept(record))


def loaded_again(
    alone: Mapping[str, Offer], records: Sequence[Record], location: str, ask: again.Ask
) -> Iterator[Finding]:
    """Whether what strategies save, of those that trained, is what they trained.

    They are given by what is typed for each alone.
    """
    trained = {text: of_composition(text, records) for text in alone}
    texts = [t for t, record in trained.items() if record.status == "ok" and record.cell.trains]
    for text, said in ask(texts, location).items():
        about, why = "is the same when it is loaded again", said.get("untried")
        offer = alone[text]
        yield offer.unchecked(about, why) if why else offer.finding(about, said["problem"])


def of_composition(text: str, records: Sequence[Record]) -> Record:
    """The record of the composition that the text means."""
    wanted = composition.read(text).id
    return next(record for record in records if record.cell.composition == wanted)


def _kept(record: Record) -> str | None:
    if record.parameters is None or not record.parameters.trainable:
        return "No weight is trained: leave requires_grad on for those that are to be."
    if record.moved is not None and not record.moved.share:
        return "A step changes none of the trained weights: see whether the loss depends on them."
    if not record.artifact_bytes:
        return "save_pretrained writes nothing: return a model from prepare that can be saved."
    return None


def _ended(records: Sequence[Record]) -> str | None:
    """How the first that did not end well did; Unchecked where it is skipped, for want of a GPU."""
    bad = next((r for r in records if r.status != "ok"), None)
    if bad is None:
        return None
    if bad.status == "skipped":
        raise Unchecked(f"It is skipped here: {bad.reason}")
    return f"It ends as {bad.status} in {bad.phase} ({bad.reason})."


def scored(offer: Offer, records: Sequence[Record]) -> str | None:
    """A sentence where a metric's declared scores are not there."""
    record = next((r for r in records if r.phases.get("evaluate")), records[0])
    if record.status != "ok":
        return _ended([record])
    returned = {*record.corpus_scores, *(name for e in record.examples for name in e.scores)}
    missing = [m.id for m in offer.item().measures() if m.id not in returned]
    return f"It declares '{missing[0]}' and gives no such score: return it." if missing else None


def bounded(offer: Offer, records: Sequence[Record]) -> str | None:
    """A sentence where a metric fails at texts that the little model did not write, but others do.

    They are no text, one that is right, and one that never ends.
    """
    examples = next((r.examples for r in records if r.examples), ())[:1] * 3
    if not examples:
        raise Unchecked("No cell was evaluated.")
    references = [list(one.references) for one in examples]
    right = references[0][0]
    metric: Metric = offer.item()
    try:
        checked(metric.score(["", right, f"{right} " * 20], references), metric, examples, ())
    except Exception as error:
        return (
            "Of three predictions, none, the reference, and the reference 20 times over: "
            f"{plugin.reason(error)}."
        )
    return None


def probed(offer: Offer, records: Sequence[Record]) -> str | None:
    """A sentence where a probe has no figure of some phase."""
    for record in records:
        for name, phase in record.phases.items():
            if not phase.probes.get(offer.id):
                return f"It has no figure of the phase '{name}': return one from leave."
    return None


def exported(offer: Offer, comparison: Comparison) -> str | None:
    """A sentence where an exporter gives no text."""
    try:
        return None if rendered(offer.item, comparison) else "Its file is empty: return its text."
    except PluginError as error:
        return str(error)


def _content(section: Section, comparison: Comparison) -> str | None:
    """A sentence where a section cannot be shown; Unchecked where it has nothing to say."""
    try:
        shown = content_of(section, comparison)
    except PluginError as error:
        return str(error)
    if shown is None:
        raise Unchecked("It has nothing to say of the comparison that is run here.")
    return None


def _options(subject: Offer | None, where: Path) -> dict[str, Any]:
    if subject is None:
        return {}
    if subject.hook == "register_tasks":
        return task_options(subject.item, where)
    return model_options(subject.item)


ROWS = 8
LARGEST = 50_000_000
"""Parameters of a model that is tried: more would take minutes on a CPU."""


class Unchecked(Exception):
    """What cannot be tried here, and why, in a sentence."""


def task_options(task: Task, folder: Path) -> dict[str, Any]:
    """Options for a comparison on the task, with data of its own or such as its template names."""
    if task.train_file and task.eval_file:
        return {"task": task.id}
    if type(task).read is not Task.read:
        raise Unchecked("It reads rows of its own: give it a train and an eval file to try it.")
    inputs = [task.input_fields[0] if place == INPUT else place for place in task.places]
    folder.mkdir(parents=True, exist_ok=True)
    files = {"data": folder / "train.jsonl", "eval_data": folder / "eval.jsonl"}
    for start, path in enumerate(files.values()):
        rows = [_row(inputs, task.target_fields[0], f"{start}{number}") for number in range(ROWS)]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return {"task": task.id, **{name: str(path) for name, path in files.items()}}


def _row(inputs: list[str], target: str, number: str) -> dict[str, str]:
    return {**{name: f"Text {number} of {name}." for name in inputs}, target: f"Answer {number}."}


def model_options(model: Model) -> dict[str, Any]:
    """Options for a comparison of the model, with random weights where it ships none."""
    if model.ships_weights:
        return {"model": model.id}
    shipped = model.config or model.folder
    if not shipped:
        raise Unchecked("Its weights are on a hub: give it a config to try its shape.")
    try:
        shape = json.loads((shipped / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PluginError(
            f"The config of '{model.id}' cannot be read ({type(error).__name__}): "
            "ship a config.json with the plugin."
        ) from None
    if _parameters(shape) > LARGEST:
        raise Unchecked("It is too large to be tried on any machine.")
    return {"model": model.id, "weights": "random"}


def _parameters(shape: dict[str, Any]) -> int:
    """About how many parameters a transformer of the shape has."""
    width, layers = int(shape.get("hidden_size") or 0), int(shape.get("num_hidden_layers") or 0)
    return 12 * layers * width**2 + 2 * width * int(shape.get("vocab_size") or 0)
