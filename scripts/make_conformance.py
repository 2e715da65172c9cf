"""Check every built-in strategy on families of models, and write what came of it to the docs.

`python scripts/make_conformance.py` takes some minutes of one core, and half an hour with `--every`
family. What is checked is the suite of `llmbench plugins check`, without its processes: the
strategies of a family share one, and another goes on where it dies. Neither a network nor a GPU is
needed.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import peft
import torch
import transformers

import tiny_families
from llmbench import plugin
from llmbench.config import composition
from llmbench.config.setup import Setup
from llmbench.errors import UserError
from llmbench.record.record import Record
from llmbench.run import inputs as feed
from llmbench.source import model as source
from llmbench.storage.read import read_record
from llmbench.testing import again, conformance
from llmbench.testing.bench import QUICK
from llmbench.testing.conformance import Offer
from llmbench.testing.module import Finding
from llmbench.worker import cell as worker
from llmbench.worker import reload
from llmbench.worker.preload import preload
from make_compatibility import FORK, NAME, Notes, Trial, apart, job_of, saved, set_up_for, table
from tiny_families import Family

OUT = Path(__file__).parents[1] / "docs" / "conformance.md"
REPRESENTATIVES = (
    "Llama",
    "Gemma 2",
    "Phi 3",
    "GPT-2",
    "GPT-NeoX, Pythia",
    "BLOOM",
    "Mixtral",
    "Mamba",
    "RWKV",
    "FLAN-T5",
    "BART",
)
"""Of each kind of architecture that strategies tell apart, one or two."""
INSTEAD = {
    "compile": "compile(backend=aot_eager)",
    "fp8": "fp8(emulated=true)",
}
"""What is run for a strategy: inductor would have a C++ compiler build each family's kernels, and
no CPU multiplies in 8 bits."""
SECONDS = 600
"""After which a strategy is taken for one that never ends."""
SKIPPED = "It is skipped here: "
INTRODUCTION = """\
# Conformance

Made by `python scripts/make_conformance.py`: torch {torch}, transformers {transformers},
peft {peft}, in {minutes:.0f} minutes of one core. The suite of `llmbench plugins check` on every
built-in strategy and tiny models of [families](compatibility.md) whose architectures differ for
strategies; above the table is which. `--every` tries all.

A strategy passes if it trains, alone and joined with `gradient-checkpointing`, starts from the base
model's loss or says that it does not, trains weights and saves them, and computes the same when it
is loaded again. That is left to whoever loads it where weights are quantised, or are yet to be.

All runs on a CPU, with the packages torchao, hqq, galore-torch and apollo-torch installed: what
needs a GPU or several of them says so. `compile` is tried with the backend `aot_eager`, and with
`inductor` by the suite on the model that ships; `fp8` multiplies the rounded values in fp32.

*passes* counts families. On all others it is *skipped* for a reason that the run tells its user,
and the other cells go on; *fails* is a fault.
"""


@dataclass(frozen=True)
class Bench:
    """A family's model, and a comparison on it whose cells run in this process."""

    setup: Setup
    inputs: feed.Inputs
    folder: Path
    base: Record

    @classmethod
    def at(cls, folder: Path) -> Bench:
        """The model there, with the record of the untrained one; UserError where it is refused."""
        setup = set_up_for(folder, **QUICK)
        source.fetch(setup.source, needs_tokenizer=setup.has_text)
        inputs = feed.read(setup)
        return cls(setup, inputs, folder, record(setup, inputs, "base"))

    def findings(self, offer: Offer, composed: bool) -> Iterator[Finding]:
        """What the suite says of a strategy."""
        alone, *joined = conformance.compositions(offer.item)
        tried = INSTEAD.get(alone, alone)
        texts = [tried, *(text.replace(alone, tried, 1) for text in joined if composed)]
        skip = self.setup.outlook(composition.read(texts[0])).skip
        if skip:
            yield offer.unchecked("runs", skip)
            return
        records = [self.base, *(record(self.setup, self.inputs, text) for text in texts)]
        yield from conformance.trained(offer, texts, records)
        known = {texts[0]: offer}
        yield from conformance.loaded_again(known, records, str(self.folder), answers)


def record(setup: Setup, inputs: feed.Inputs, text: str) -> Record:
    """What came of the composition's cell."""
    with tempfile.TemporaryDirectory() as place:
        job = job_of(setup, inputs, text, Path(place))
        worker.run(job, lambda event: None)
        return read_record(job.record_file)


def answers(texts: Sequence[str], location: str) -> dict[str, again.Said]:
    """What is said of compositions that are saved and loaded again, in this process."""
    return {text: reload.answer(text, location) for text in texts}


def offers() -> list[Offer]:
    """Every strategy that llmbench ships."""
    entries = plugin.registry().strategies.entries.items()
    return [
        Offer(entry.source.name, "register_strategies", name, entry.item)
        for name, entry in entries
        if entry.source.ours
    ]


def trial(findings: Iterable[Finding]) -> Trial:
    """What is shown of the findings: problems, or why it was skipped, or that all is well."""
    made = list(findings)
    problems = [f"{f.about}: {f.problem}" for f in made if f.problem]
    if problems:
        return Trial("fails", tuple(problems))
    runs = [f.unchecked for f in made if "' runs" in f.about]  # alone, and joined
    return Trial("skipped", (runs[0].removeprefix(SKIPPED),)) if runs[0] else Trial("passes")


def tried(folder: Path, wanted: Sequence[Offer], composed: bool) -> Iterator[Trial]:
    """How each strategy went on the model in the folder, in order, in as few processes as can."""
    rest = list(wanted)
    while rest:
        receiver, sender = FORK.Pipe(duplex=False)
        process = FORK.Process(target=send, args=(sender, folder, rest, composed))
        process.start()
        sender.close()
        try:
            while rest:
                if not receiver.poll(SECONDS):
                    yield Trial("fails", (f"It had not ended after {SECONDS} seconds.",))
                    break
                yield receiver.recv()
                rest.pop(0)
        except EOFError:
            process.join()
            yield Trial("fails", (f"Its process ended with {process.exitcode}.",))
        finally:
            process.kill()
            process.join()
            receiver.close()
        rest = rest[1:]


def send(sender: Connection, folder: Path, wanted: Sequence[Offer], composed: bool) -> None:
    """Try the strategies, and tell of each how it went."""
    torch.set_num_threads(1)
    try:
        bench = Bench.at(folder)
    except UserError as error:
        for _ in wanted:
            sender.send(Trial("refused", (str(error),)))
        return
    for offer in wanted:
        sender.send(trial(bench.findings(offer, composed)))


def family(of: Family, wanted: Sequence[Offer]) -> dict[str, Trial]:
    """How every strategy went on the family."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / NAME
        made = apart(lambda: saved(of, folder))
        if made.status != "ok":
            return {offer.id: made for offer in wanted}
        ended = tried(folder, wanted, of.name in REPRESENTATIVES)
        return dict(zip((offer.id for offer in wanted), ended, strict=True))


def row(name: str, found: dict[str, Trial], notes: Notes) -> tuple[str, str, str]:
    """A strategy: on how many families it passes, and on which others it does what, and why."""
    others: dict[str, list[str]] = {}
    for family_name, one in found.items():
        if one.status != "passes":
            others.setdefault(notes.shown(one), []).append(family_name)
    passes = sum(one.status == "passes" for one in found.values())
    told = (
        f"{how}: {'everywhere' if len(names) == len(found) else ', '.join(names)}"
        for how, names in others.items()
    )
    return f"`{name}`", str(passes), "; ".join(told)


def page(trials: dict[str, dict[str, Trial]], minutes: float) -> str:
    """The whole document, of what came of the families."""
    notes = Notes()
    refused = [
        n for n, found in trials.items() if {t.status for t in found.values()} == {"refused"}
    ]
    held = {n: found for n, found in trials.items() if n not in refused}
    rows = [row(o.id, {n: found[o.id] for n, found in held.items()}, notes) for o in offers()]
    introduction = INTRODUCTION.format(
        torch=torch.__version__,
        transformers=transformers.__version__,
        peft=peft.__version__,
        minutes=minutes,
    )
    families = f"Families: {', '.join(held)}.\n\n"
    if refused:
        families += f"Refused before anything is loaded: {', '.join(refused)}.\n\n"
    parts = (
        introduction,
        "## Strategies\n\n" + families + table(("strategy", "passes", "others"), rows),
        "## What is said\n\n" + notes.text(),
    )
    return "\n".join(parts)


def seconds() -> float:
    """What this process and those that it ended took of a processor."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def main() -> None:
    """Try them all, or the families that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[], help="a family to try")
    parser.add_argument("--every", action="store_true", help="try every family")
    parser.add_argument("--out", type=Path, default=OUT, help="the document to write")
    options = parser.parse_args()
    preload()
    wanted = options.only or REPRESENTATIVES
    trials = {}
    for one in tiny_families.FAMILIES:
        if not options.every and one.name not in wanted:
            continue
        trials[one.name] = family(one, offers())
        print(one.name, dict(Counter(t.status for t in trials[one.name].values())), flush=True)
    options.out.write_text(page(trials, seconds() / 60), encoding="utf-8")


if __name__ == "__main__":
    main()
