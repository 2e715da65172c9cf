"""Try every family of models with every strategy, and write what came of it to the docs.

`python scripts/make_compatibility.py` takes some minutes on two cores. Each cell is a whole one,
with training and generation, in a process of its own; neither a network nor a GPU is needed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers

import data_formats
import tiny_families
from llmbench.config import composition, plan
from llmbench.config.setup import Setup, set_up
from llmbench.errors import UserError
from llmbench.record.record import Cell, DataRefs
from llmbench.run import inputs as feed
from llmbench.source import model as source
from llmbench.source.data import lines
from llmbench.source.digest import model_ref
from llmbench.storage.read import read_record
from llmbench.worker import cell as worker
from llmbench.worker.estimate import job as estimates
from llmbench.worker.preload import preload
from llmbench.workers.job import Answer, EstimateJob, Job
from tiny_families import Family
from tiny_tokenizers import KINDS

OUT = Path(__file__).parents[1] / "docs" / "compatibility.md"
NAME = "my-model"
"""What every model is called, so that one sentence on two of them is the same sentence."""
COMPOSITIONS = {
    "full": "full",
    "lora": "lora",
    "8-bit": "lora+8-bit",
    "4-bit": "lora+4-bit",
    "flash attention": "full+flash-attention",
    "checkpointing": "lora+gradient-checkpointing",
}
"""The columns, and what is run for each."""
OPTIONS: dict[str, Any] = {
    "device": "cpu",
    "steps": 3,
    "burn_in_steps": 1,
    "batch_size": 2,
    "seq_len": 224,
    "eval_examples": 2,
    "max_new_tokens": 4,
    "validation_examples": 2,
}
GPU = {"device": "cuda", "device_memory_bytes": 80 * 2**30, "compute_capability": (9, 0)}
"""What memory is predicted for."""
AT_A_TIME = 2
SECONDS = 120
"""After which a cell is taken for one that never ends."""
FORK = multiprocessing.get_context("fork")
INTRODUCTION = """\
# Compatibility

Made by `python scripts/make_compatibility.py`: torch {torch}, transformers {transformers}, in
{minutes:.0f} minutes on two cores. Every model is a tiny one of two layers with random weights, and
every cell a whole one, with training, loss and generation, on a CPU. Kernels for GPUs may take
other shapes: flash attention there computes in half precision.

A number leads to what a reader is told. *skipped* is said before training, and the other cells go
on; *refused* is said before anything is loaded.
"""


@dataclass(frozen=True)
class Trial:
    """How a cell ended, and what is said of it."""

    status: str
    said: tuple[str, ...] = ()


@dataclass
class Notes:
    """Sentences, numbered as they come up."""

    numbers: dict[str, int] = field(default_factory=dict)

    def shown(self, trial: Trial) -> str:
        """The status, with the numbers of what is said."""
        found = [self.numbers.setdefault(s, len(self.numbers) + 1) for s in trial.said]
        return " ".join([trial.status, *(f"[{n}](#note-{n})" for n in found)])

    def text(self) -> str:
        """All of them."""
        return "".join(f'{n}. <a id="note-{n}"></a>{s}\n' for s, n in self.numbers.items())


def apart(work: Callable[[], Trial]) -> Trial:
    """Do the work in a process of its own, which may die or hang."""
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=lambda: sender.send(work()))
    process.start()
    sender.close()
    try:
        if receiver.poll(SECONDS):
            return receiver.recv()
        return Trial("hangs", (f"It had not ended after {SECONDS} seconds.",))
    except EOFError:
        process.join()
        return Trial("dies", (f"Its process ended with {process.exitcode}.",))
    finally:
        process.kill()
        process.join()
        receiver.close()


def set_up_for(folder: Path, **options: Any) -> Setup:
    """A comparison on the model in the folder; UserError where it is refused."""
    return set_up([("the script", {**OPTIONS, "model": str(folder), **options})])


def trials(family: Family, folder: Path) -> Mapping[str, Trial]:
    """How each composition went, that of random weights, and the estimate, by column."""
    made = apart(lambda: saved(family, folder))
    if made.status != "ok":
        return {"full": made}
    found = {c: apart(lambda t=t: tried(folder, t)) for c, t in COMPOSITIONS.items()}
    found["random weights"] = apart(lambda: tried(folder, "lora", weights="random"))
    found["estimate"] = apart(lambda: estimated(folder))
    return found


def saved(family: Family, folder: Path) -> Trial:
    """Make the family's model."""
    torch.set_num_threads(1)
    tiny_families.save(family, folder)
    return Trial("ok")


def tried(folder: Path, text: str, **options: Any) -> Trial:
    """Run a cell of the composition on the model in the folder."""
    torch.set_num_threads(1)
    try:
        setup = set_up_for(folder, **options)
        source.fetch(setup.source, needs_tokenizer=setup.has_text)
    except UserError as error:
        return Trial("refused", (str(error),))
    with tempfile.TemporaryDirectory() as place:
        job = job_of(setup, feed.read(setup), text, Path(place))
        worker.run(job, lambda event: None)
        record = read_record(job.record_file)
    said = (record.reason,) if record.reason else record.warnings
    return Trial(record.status, said)


def job_of(setup: Setup, inputs: feed.Inputs, text: str, work: Path) -> Job:
    """What a worker is told to run the composition."""
    files = {}
    for name in ("train", "evaluate", "validation"):
        data = getattr(inputs, name)
        if data:
            files[name] = work / f"{name}.jsonl"
            files[name].write_text(lines(data.examples), encoding="utf-8")
    return Job(
        cell=cell_of(setup, text, inputs.refs),
        environment=setup.environment,
        model_source=setup.source.weights_location,
        tokenizer_source=setup.source.tokenizer_location if setup.has_text else None,
        train_file=files.get("train"),
        eval_file=files.get("evaluate"),
        validation_file=files.get("validation"),
        record_file=work / "record.json",
        work_folder=work,
        started_at=time.time(),
    )


def cell_of(setup: Setup, text: str, refs: DataRefs) -> Cell:
    """The cell of a composition."""
    return plan.make_cell(setup, composition.read(text), 0, model_ref(setup.source), refs)


def estimated(folder: Path) -> Trial:
    """Predict the memory of LoRA on a GPU."""
    try:
        setup = set_up_for(folder, weights="random", precision="bf16-true")
    except UserError as error:
        return Trial("refused", (str(error),))
    with tempfile.TemporaryDirectory() as place:
        job = EstimateJob(
            cells=(cell_of(setup, "lora", feed.read(setup).refs),),
            environment=setup.environment.model_copy(update=GPU),
            model_source=setup.source.weights_location,
            answer_file=Path(place) / "answer.json",
        )
        estimates.run(job, lambda event: None)
        found = Answer.model_validate_json(job.answer_file.read_text("utf-8")).cells.popitem()[1]
    return Trial("none", (found.reason,)) if found.reason else Trial("ok")


def tried_all(family: Family) -> Mapping[str, Trial]:
    """The same in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as place:
        return trials(family, Path(place) / NAME)


def fitted(number: int) -> Trial:
    """How LoRA went on a tiny Llama with a tokenizer of the kind that has this number."""
    kind = KINDS[number]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / NAME

        def run() -> Trial:
            saved(tiny_families.FAMILIES[0], folder)
            kind.spoil(folder)
            return tried(folder, "lora")

        return apart(run)


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = tuple(header)
    made = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in made)


def page(names: list[str] | None) -> str:
    """The whole document, of the families that are named or of all."""
    began, notes, rows = time.monotonic(), Notes(), []
    columns = (*COMPOSITIONS, "random weights", "estimate")
    families = [f for f in tiny_families.FAMILIES if not names or f.name in names]
    # Processes of a pool of multiprocessing's own may have none themselves.
    with ProcessPoolExecutor(AT_A_TIME, mp_context=FORK) as pool:
        for family, found in zip(families, pool.map(tried_all, families), strict=True):
            print(family.name, {c: t.status for c, t in found.items()}, flush=True)
            cells = [notes.shown(found[c]) if c in found else "" for c in columns]
            rows.append((family.name, *cells))
        found = pool.map(fitted, range(len(KINDS)))
        kinds = [(k.name, notes.shown(trial)) for k, trial in zip(KINDS, found, strict=True)]
    introduction = INTRODUCTION.format(
        torch=torch.__version__,
        transformers=transformers.__version__,
        minutes=(time.monotonic() - began) / 60,
    )
    parts = (
        introduction,
        "## Architectures\n\n" + table(("family", *columns), rows),
        "## Tokenizers\n\nLoRA on a tiny Llama.\n\n" + table(("kind", "comes to"), kinds),
        data_formats.section(),
        "## What is said\n\n" + notes.text(),
    )
    return "\n".join(parts)


def main() -> None:
    """Try them all, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", help="a family; all where it is left out")
    parser.add_argument("--out", type=Path, default=OUT, help="the document to write")
    options = parser.parse_args()
    preload()
    options.out.write_text(page(options.only), encoding="utf-8")


if __name__ == "__main__":
    main()
