"""Setting up a comparison: all that is decided before data or weights are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from llmbench import plugin, units
from llmbench.config import composition
from llmbench.config.composition import Composition, Outlook
from llmbench.config.config import (
    COMMAND_LINE,
    SETTINGS,
    Config,
    Layer,
    Resolved,
    Weights,
    resolve,
)
from llmbench.errors import ConfigError, UserError
from llmbench.machine import Environment, collect
from llmbench.plugin import named
from llmbench.plugin.blame import blamed, of_kind, sentence
from llmbench.plugin.metric import Named
from llmbench.plugin.scoring import declared
from llmbench.record.figure import RESERVED
from llmbench.record.precision import LIGHTEST
from llmbench.record.record import Budget
from llmbench.source import model
from llmbench.source.model import Source
from llmbench.source.safety import NOTHING, Trust

ALL = "all"
"""The word for every strategy that is not for reference only."""
GPU_PRECISION = LIGHTEST
"""The default precision on a GPU; docs/figures.md, section 11, has the reason."""
SEEDS = 3
"""Trainings of each method where quality is judged, unless it is said or the model has its own: one
gives no verdict."""
BASE = "base"
"""The composition that trains nothing: what the others are held against."""


@dataclass(frozen=True)
class Setup:
    """Everything that is decided before anything is loaded."""

    resolved: Resolved
    environment: Environment
    source: Source
    compositions: Sequence[Composition]
    ablated: Sequence[Composition] = ()
    """Those among them that only `--ablate` asks for."""
    _outlooks: dict[str, Outlook] = field(default_factory=dict, init=False, compare=False)

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.resolved.config

    @property
    def fitted(self) -> list[tuple[Composition, Budget]]:
        """The compositions that have a further cell to find out what fits, and its budget."""
        budget = self.config.budget
        return [(c, budget) for c in self.compositions if c.trains and not c.spreads and budget]

    @property
    def repeats(self) -> bool:
        """Whether the fastest is run once more, to see by how much a cell differs from itself."""
        if sum(c.trains for c in self.compositions) < 2 or self.config.settings.deterministic:
            return False
        asked = self.config.repeat
        return self.environment.device == "cuda" if asked is None else asked

    @property
    def has_text(self) -> bool:
        """Whether the inputs are text; random weights without data take random tokens."""
        return self.config.judges or self.config.data is not None

    def planned(self, origin: str, **values: object) -> Setup:
        """The same with other values of some options, and the words for where those came from."""
        config = self.config
        settings = {n: v for n, v in values.items() if n in SETTINGS}
        changed = {n: v for n, v in values.items() if n not in SETTINGS}
        changed["settings"] = config.settings.model_copy(update=settings)
        return replace(
            self,
            resolved=Resolved(
                config=config.model_copy(update=changed),
                origins=self.resolved.origins | dict.fromkeys(values, origin),
            ),
        )

    def outlook(self, wanted: Composition) -> Outlook:
        """What is known of a composition before it runs; its strategies are asked once."""
        if wanted.id not in self._outlooks:
            self._outlooks[wanted.id] = wanted.outlook(self.config.settings, self.environment)
        return self._outlooks[wanted.id]


def set_up(layers: Sequence[Layer]) -> Setup:
    """Resolve the configuration and check all that can be checked without reading anything."""
    setup = resolved(layers)
    config, environment, trust = setup.config, setup.environment, setup.source.trust
    named.task(config.task)
    if config.train_from_scratch and config.weights != "random":
        raise ConfigError("--train-from-scratch begins with random weights: add --weights random.")
    if config.launcher != "auto":
        plugin.registry().launchers.get(config.launcher)
    if not config.metrics:
        raise ConfigError(
            f"The task '{config.task}' has no metric of its own: name one with --metrics "
            "('llmbench list metrics' shows them)."
        )
    check_metrics(config.metrics, trust, setup.resolved.origins["metrics"])
    if config.settings.steps <= config.settings.burn_in_steps:
        raise ConfigError(
            f"--steps {config.settings.steps} leaves nothing to time after "
            f"{config.settings.burn_in_steps} burn-in steps: take more, or lower --burn-in-steps."
        )
    check_budget(config, environment)
    check_precision(config, environment)
    check_gpus(setup)
    if config.time_budget and config.fit:
        raise ConfigError(
            "--fit searches for as long as it takes, whatever --time-budget says: give one of them."
        )
    if not config.ablate:
        return setup
    added = composition.missing(setup.compositions, len(config.every_seed))
    return replace(setup, compositions=[*setup.compositions, *added], ablated=added)


def resolved(
    layers: Sequence[Layer],
    environment: Environment | None = None,
    weights: Weights | None = None,
) -> Setup:
    """The compositions, and the configuration over the defaults of the device and the model.

    `environment` is where the cells are to run, if not here; `weights` are those to look for, if
    not those that the configuration names.
    """
    first = resolve(layers).config
    environment = environment or planned_for(first)
    trust = Trust(first.trust_remote_code, first.allow_pickles)
    source = model.find(first.model, weights or first.weights, first.revision, trust)
    whole = resolve([*defaults(first, environment, source), *layers])
    return Setup(whole, environment, source, compositions(whole.config.strategies))


def planned_for(config: Config) -> Environment:
    """What the cells are to run on, as far as that is known before they do."""
    auto = config.launcher == "auto"
    launcher = None if auto else plugin.registry().launchers.get(config.launcher)
    if launcher is None or not launcher.elsewhere:
        return collect(config.device)
    with blamed("launcher", config.launcher, "environment"):
        there = launcher.environment(config.device, config.settings.gpus)
        found: Environment = of_kind(there, Environment, "an Environment")
        return found


def defaults(config: Config, environment: Environment, source: Source) -> list[Layer]:
    """The defaults that depend on the device, on the weights and on the model."""
    layers: list[Layer] = []
    gpus = config.settings.gpus
    if environment.device == "cuda":
        layers.append((f"default on {environment.device_name}", {"precision": GPU_PRECISION}))
    if config.judges:
        layers.append(("default where quality is judged", {"seeds": SEEDS}))
    layers.append((f"default for {source.id}", source.defaults))
    if gpus > 1:  # a step's micro-batches are shared by its GPUs: one each
        layers.append((f"default for {gpus} GPUs", {"accumulation": gpus}))
    task = named.task(config.task)
    metrics = {"metrics": task.metrics} if task.metrics else {}
    layers.append((f"default for {task.id}", {**task.defaults, **metrics}))
    if not config.judges:
        layers.append(("default for random weights", {"max_new_tokens": 32, "eval_examples": 8}))
    return layers


def check_metrics(names: Sequence[str], trust: Trust = NOTHING, origin: str = COMMAND_LINE) -> None:
    """ConfigError for a metric that is unknown, that has a wrong argument, or may not run.

    `origin` says where they were named: a file may have come with the script that it names.
    """
    taken: dict[str, str] = {}
    for name in names:
        asked = Named.read(name)
        kind = plugin.registry().metrics.get(asked.id)
        with blamed("metric", asked.id, "check"):
            problem = sentence(kind.check(asked.argument))
            remote = sentence(kind.remote_code(asked.argument))
            local = sentence(kind.local_code(asked.argument))
        if problem:
            raise ConfigError(problem)
        with blamed("metric", asked.id, "measures"):
            for measure in declared(asked.make(kind)):
                check_name(measure.id, name, taken)
        if remote and not trust.remote_code:
            raise ConfigError(
                f"'{name}' runs code of {remote}: allow it with --trust-remote-code, "
                "or name a script of your own."
            )
        if local and origin != COMMAND_LINE:
            raise ConfigError(
                f"'{name}' runs {local}, which cannot be asked for in {origin}: "
                "name it on the command line, with --metrics."
            )


def check_name(score: str, metric: str, taken: dict[str, str]) -> None:
    """ConfigError where two metrics give a score of the same name, or one takes a column's."""
    if score in taken:
        same = (
            f"'{metric}' is named twice"
            if taken[score] == metric
            else (f"'{taken[score]}' and '{metric}' both give '{score}'")
        )
        raise ConfigError(f"{same}: name one of them in --metrics.")
    if score in RESERVED:
        raise ConfigError(
            f"'{metric}' gives '{score}', which is another column of results.csv: "
            "leave it out of --metrics."
        )
    taken[score] = metric


def check_budget(config: Config, environment: Environment) -> None:
    """Raise ConfigError if the budget is missing, or is more than the device has."""
    if config.fit_seq_len and config.fit is None:
        raise ConfigError("--fit-seq-len needs a budget: add --fit with one, such as --fit 16GiB.")
    if config.fit and config.fit > environment.device_memory_bytes:
        memory_gib = environment.device_memory_bytes / 2**30
        raise ConfigError(
            f"--fit {units.exact_size(config.fit)} is more than there is "
            f"({environment.device_name} has {memory_gib:.1f} GiB): give a budget that can be "
            "tried."
        )


def check_precision(config: Config, environment: Environment) -> None:
    """Raise ConfigError if the device cannot compute in the precision."""
    numerics = config.settings.numerics
    if (numerics.tf32 or numerics.scales_loss) and environment.device != "cuda":
        raise ConfigError(
            f"--precision {config.settings.precision} needs a GPU: take fp32 or bf16-mixed."
        )


def check_gpus(setup: Setup) -> None:
    """Raise ConfigError where there are fewer GPUs than asked for, or none of the cells takes them.

    On a CPU a cell has that many processes.
    """
    asked, environment = setup.config.settings.gpus, setup.environment
    if environment.device == "cuda" and asked > environment.device_count:
        raise ConfigError(
            f"--gpus {asked} is more than there are ({environment.device_count}): "
            "take fewer, or see CUDA_VISIBLE_DEVICES."
        )
    if asked > 1 and setup.config.jobs > 1:
        raise ConfigError("--gpus and --jobs both take several GPUs: leave one of them out.")
    if asked > 1 and not any(c.spreads for c in setup.compositions):
        raise ConfigError(
            f"--gpus {asked} is of no use to these strategies, which train on one: "
            "join one that spreads, such as lora+ddp or full+fsdp."
        )


def compositions(texts: Sequence[str]) -> list[Composition]:
    """The compositions that the texts name, each once, the untrained base model first."""
    return composition.unique([c for text in [BASE, *texts] for c in _meant(text)])


def notices(setup: Setup) -> tuple[str, ...]:
    """What a reader has to know of how the figures came about."""
    sentences = [*plugin.registry().complaints(), *left_out(setup)]
    sentences += trusted(setup.config)
    if setup.config.train_from_scratch:
        sentences.append(
            "Weights are random as training begins, others with each seed (--train-from-scratch): "
            "'base' is that start, and the answer holds trained models against each other alone."
        )
    elif setup.config.weights == "random":
        sentences.append(
            "Weights are random: the speed and the memory of training are those of the real model. "
            "Those of loading are not, and quality means nothing: its columns and the load time "
            "are left empty."
        )
    if not setup.has_text:
        length = setup.config.settings.seq_len
        sentences.append(
            f"Inputs are random tokens that fill every sequence to {length}: "
            "no padding, and every token is supervised."
        )
    return tuple(sentences)


def trusted(config: Config) -> list[str]:
    """A sentence for each thing that the user allowed."""
    allowed = {
        "Code that comes with the model, or with a metric of a hub, was allowed to run "
        "(--trust-remote-code).": config.trust_remote_code,
        "Weights that are pickles were allowed (--allow-pickles).": config.allow_pickles,
    }
    return [sentence for sentence, given in allowed.items() if given]


def _meant(text: str) -> list[Composition]:
    """What a text of `--strategies` means: one composition, or those of `all`."""
    if text != ALL:
        return [composition.read(text)]
    return [c for c in of_all().values() if isinstance(c, Composition)]


def of_all() -> dict[str, Composition | str]:
    """Each strategy that `all` means, as a composition, or why it cannot be one by itself.

    Those with an id that two plugins claim are left out.
    """
    known, meant = plugin.registry().strategies, dict[str, Composition | str]()
    for name in (n for n, s in known.items().items() if s.in_all and n not in known.taken):
        try:
            meant[name] = composition.read(name)
        except UserError as error:
            meant[name] = str(error)
    return meant


def left_out(setup: Setup) -> list[str]:
    """A sentence for each strategy that `all` would mean if it could stand alone."""
    if ALL not in setup.config.strategies:
        return []
    reasons = {name: why for name, why in of_all().items() if isinstance(why, str)}
    return [f"'{ALL}' leaves out '{name}': {why}" for name, why in reasons.items()]
