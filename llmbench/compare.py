"""A comparison, from its setup to its last record."""

from __future__ import annotations

import contextlib
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from llmbench import advice, dataset, lock, neighbour, outcome, plan, redact, resume, source
from llmbench.blame import Watched
from llmbench.config import Config
from llmbench.dataset import Data
from llmbench.errors import DataError, StoreError
from llmbench.estimate.answer import Estimate
from llmbench.estimate.ask import ask
from llmbench.estimate.foresight import PREDICTING, UNSEEN, Foresight, foresee
from llmbench.job import EstimateJob, Job
from llmbench.launcher import Event
from llmbench.limit import Timed
from llmbench.plan import Plan, Planned
from llmbench.plugin import Registry
from llmbench.record import Cell, DataRef, ModelRef, Record
from llmbench.setup import Setup, notices
from llmbench.source import Source
from llmbench.store import Header, Store, write_text

RANDOM_TOKENS = "random tokens"
"""What is trained on where the weights are random and no data are given."""


class Listener(Protocol):
    """Is told how the comparison goes; `llmbench.console` shows it to a person."""

    def start(self, plan: Plan, root: Path) -> None:
        """The plan is made and the directory is there."""

    def cell(self, cell: Cell) -> None:
        """A cell is about to run."""

    def event(self, event: Event) -> None:
        """The running cell's worker says something."""

    def record(self, record: Record, kept: bool) -> None:
        """A cell has its record; `kept` if it had it before."""


@dataclass(frozen=True)
class Inputs:
    """What the cells are fed; None where they make random tokens themselves."""

    train: Data | None
    evaluate: Data | None
    refs: tuple[DataRef, DataRef]


def read_inputs(setup: Setup) -> Inputs:
    """Read and check the data, and choose the examples that the cells get."""
    config, settings = setup.config, setup.config.settings
    needed = settings.steps * settings.batch_size * settings.accumulation
    if not setup.has_text:
        ref = DataRef(name=RANDOM_TOKENS, examples=needed, sha256="")
        return Inputs(None, None, (ref, ref.model_copy(update={"examples": 0})))
    task = setup.registry.tasks.get(config.task)
    fields = (config.input_field, config.target_field)
    trains_on, evaluates_on = config.data or task.train_file, config.eval_data
    if evaluates_on is None and config.data is None:
        evaluates_on = str(task.eval_file) if task.eval_file else None
    if trains_on is None:
        raise DataError(f"'{task.id}' has no data of its own to train on: give --data.")
    train = dataset.sample(dataset.read(trains_on, task, *fields), needed)
    if evaluates_on is None:
        raise DataError("Evaluation needs data that are not trained on: give --eval-data.")
    held_out = dataset.read(evaluates_on, task, *fields)
    held_out = dataset.sample(held_out, settings.eval_examples)
    return Inputs(train, held_out, (train.ref, held_out.ref))


def run(setup: Setup, command: str, listener: Listener) -> Store:
    """Run every cell of the comparison that has no result yet; returns its directory."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(lock.device(setup, listener.event))
        seen = neighbour.check(setup)
        launcher = make_launcher(setup.config, setup.registry)
        stack.callback(launcher.close)
        fetched = source.fetch(setup.source, needs_tokenizer=setup.has_text)
        inputs = read_inputs(setup)
        cells = plan.make(setup, model_ref(fetched), inputs.refs)
        store = Store(Path(setup.config.output) if setup.config.output else default_output(setup))
        store.create()
        stack.enter_context(lock.directory(store.root, setup.config.wait, listener.event))
        resume.recover(store)
        write_inputs(store, inputs)
        written = store.write_header(header(setup, cells, store, command, inputs, seen))
        listener.start(written.plan, store.root)
        with outcome.interruptions(launcher, listener.event) as stopped, cleared(store):
            foresight = predict(cells, setup, fetched, inputs, store, launcher, listener)
            for planned in map(foresight.of, cells.cells):
                if stopped():
                    break
                ran = run_cell(
                    planned, setup, fetched, inputs, store, launcher, listener, foresight
                )
                if ran and ran.status == "oom" and setup.config.on_oom == "stop":
                    listener.event({"event": advice.STOP, "reason": advice.STOPPED})
                    break
    if stopped():
        raise outcome.Interrupted(store)
    return store


@contextlib.contextmanager
def cleared(store: Store) -> Iterator[None]:
    """Leave no work folder behind, and say how to go on where a record could not be written.

    Such a comparison ends at once: whatever the next cells found would be lost as well.
    """
    try:
        yield
    except StoreError as error:
        if not store.records.is_dir():
            raise StoreError(
                f"'{store.root}' was removed while the comparison ran, and what was measured with "
                "it: run it again."
            ) from error
        raise StoreError(
            f"{str(error).rstrip('.')}; what was measured before is kept, "
            f"and --output {store.root} goes on from there."
        ) from error
    finally:
        shutil.rmtree(store.work, ignore_errors=True)


def run_cell(
    planned: Planned,
    setup: Setup,
    fetched: Source,
    inputs: Inputs,
    store: Store,
    launcher: Timed,
    listener: Listener,
    foresight: Foresight = UNSEEN,
) -> Record | None:
    """Run one cell, unless it is skipped, and store its record; None if it has a result."""
    cell = planned.cell
    held = result(planned, setup, store)
    if held:
        listener.record(held, True)
        return None
    listener.cell(redact.cell(cell))
    if planned.skip or planned.broken:
        record = Record(
            cell=cell,
            status="failed" if planned.broken else "skipped",
            reason=planned.broken or planned.skip,
            environment=setup.environment,
        )
    else:
        record = launch(make_job(cell, setup, fetched, inputs, store), store, launcher, listener)
    record = advice.explained(foresight.noted(record), foresight.instead(record))
    record = store.write_record(record)
    listener.record(record, False)
    shutil.rmtree(store.work / cell.id, ignore_errors=True)
    return record


def result(planned: Planned, setup: Setup, store: Store) -> Record | None:
    """The record that the cell has and keeps, if any."""
    held = store.record(planned.cell.id)
    kept = held is not None and resume.stands(held, planned.skip, setup.config.retry)
    return held if kept else None


def predict(
    cells: Plan,
    setup: Setup,
    fetched: Source,
    inputs: Inputs,
    store: Store,
    launcher: Timed,
    listener: Listener,
) -> Foresight:
    """What can be said of the memory of the cells that are to be run."""

    def hear(event: Event) -> None:
        if event["event"] == "estimate":
            listener.event({**event, "event": PREDICTING})
        elif event["event"] != "start":  # no cell has started
            listener.event(event)

    def answers(wanted: tuple[Cell, ...]) -> Mapping[str, Estimate]:
        folder = store.work_folder("estimate")
        job = EstimateJob(
            cells=wanted,
            environment=setup.environment,
            model_source=fetched.weights_location,
            tokenizer_source=fetched.tokenizer_location if setup.has_text else None,
            train_file=store.data.resolve() / "train.jsonl" if inputs.train else None,
            answer_file=folder / "answer.json",
        )
        return ask(job, launcher, store.logs.resolve() / "estimate.log", hear).cells

    pending = [p for p in cells.cells if not result(p, setup, store)]
    return foresee(setup, pending, answers, listener.event)


def make_job(cell: Cell, setup: Setup, fetched: Source, inputs: Inputs, store: Store) -> Job:
    """What the cell's worker has to know."""
    folder = store.work_folder(cell.id)
    text = setup.has_text
    return Job(
        cell=cell,
        environment=setup.environment,
        model_source=fetched.weights_location,
        tokenizer_source=fetched.tokenizer_location if text else None,
        train_file=store.data.resolve() / "train.jsonl" if inputs.train else None,
        eval_file=store.data.resolve() / "eval.jsonl" if inputs.evaluate else None,
        record_file=folder / "record.json",
        work_folder=folder,
        attempt=store.attempts(cell.id) + 1,
        limit_seconds=setup.config.cell_timeout,
        started_at=time.time(),
    )


def launch(job: Job, store: Store, launcher: Timed, listener: Listener) -> Record:
    """Run the job's worker and make its record, also when the worker could not."""
    job_file = job.work_folder / "cell.json"
    write_text(job_file, job.model_dump_json())
    log = store.log(job.cell.id)
    try:
        status = launcher.run(job_file, log, listener.event)
    finally:
        redact.file(log)  # libraries write to it directly
    return launcher.judged(outcome.record_of(job, status, log), log)


def make_launcher(config: Config, registry: Registry) -> Timed:
    """The launcher that is asked for, with a limit on each cell; `auto` forks where it can."""
    name = config.launcher
    if name == "auto":
        name = "fork" if platform.system() == "Linux" else "spawn"
    return Timed(Watched(name, registry.launchers.get(name)), config.cell_timeout)


def write_inputs(store: Store, inputs: Inputs) -> None:
    """Keep what the cells are fed beside their records."""
    for name, data in (("train", inputs.train), ("eval", inputs.evaluate)):
        if data:
            write_text(store.data / f"{name}.jsonl", dataset.lines(data.examples))


def header(
    setup: Setup,
    cells: Plan,
    store: Store,
    command: str,
    inputs: Inputs,
    seen: tuple[str, ...] = (),
) -> Header:
    """What `comparison.json` says; `seen` are notices of the machine."""
    fields = {}
    if inputs.train:
        fields = {"input": inputs.train.input_field, "target": inputs.train.target_field}
    return Header(
        name=store.root.name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        configuration=setup.config.model_dump(mode="json"),
        origins=setup.resolved.origins,
        environment=setup.environment,
        plan=cells,
        data_fields=fields,
        notices=(*notices(setup), *overlap(inputs), *seen),
    )


def overlap(inputs: Inputs) -> tuple[str, ...]:
    """A notice if examples are evaluated that were trained on."""
    if inputs.train is None or inputs.evaluate is None:
        return ()
    seen = {e.input for e in inputs.train.examples}
    both = sum(e.input in seen for e in inputs.evaluate.examples)
    if not both:
        return ()
    return (
        f"{both} of {len(inputs.evaluate.examples)} evaluated examples are in the training data: "
        "their scores say what was memorised, not what was learnt.",
    )


def model_ref(fetched: Source) -> ModelRef:
    """What records say of the model."""
    return ModelRef.model_validate(
        {
            "id": fetched.id,
            "weights": fetched.weights,
            "revision": fetched.revision,
            "remote_code": fetched.trust.remote_code,
            "pickles": fetched.trust.pickles,
        }
    )


def default_output(setup: Setup) -> Path:
    """`reports/20261122-071200-llmbench-tiny`."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("reports") / f"{stamp}-{plan.slug(setup.source.id)}"
