"""What the cells of a comparison run with, and the way of each from the plan to its record."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from llmbench import plugin
from llmbench.config.setup import Setup
from llmbench.estimate.foresight import UNSEEN, Foresight, foresee
from llmbench.plugin.launcher import CannotLaunch
from llmbench.record.comparison import Plan, Planned
from llmbench.record.events import Estimated, Event, Listener, Notice, Predicting, Started
from llmbench.record.record import Cell, ModelRef, Record, Status
from llmbench.redact import records
from llmbench.run.inputs import Inputs
from llmbench.source.model import Source
from llmbench.storage.store import Store
from llmbench.workers.job import Estimate, EstimateJob, Job
from llmbench.workers.launch import Workers
from llmbench.workers.outcome import answer_of, record_of

FROM_OUTSIDE = frozenset({"interrupted", "killed"})
"""Ends that say nothing of the cell: whoever caused them, it was not the strategy."""


def is_result(record: Record, skip: str | None, retry: Sequence[str]) -> bool:
    """Whether a record is kept as it is; if not, its cell is to be run.

    `skip` is why the cell would be skipped now. A cell that was skipped before it started stays
    so for as long as there is a reason; one that found out in its worker, until it is asked for.
    """
    if record.status == "ok":
        return True
    if record.status in retry or "all" in retry:
        return False
    if record.status == "skipped":
        return skip is not None or record.phase is not None
    return record.status not in FROM_OUTSIDE


def evaluated_as(record: Record, other: Record) -> Record:
    """The record with the other's evaluation, but for its speed, which was measured once."""
    taken = {
        "eval_loss": other.eval_loss,
        "examples": other.examples,
        "corpus_scores": other.corpus_scores,
        "evaluated_in": other.cell.id,
    }
    return record.model_copy(update=taken)


def _without_seed(cell: Cell) -> Cell:
    return records.cell(cell).model_copy(update={"id": "", "seed": 0})


@dataclass(frozen=True)
class Bench:
    """What every cell of a comparison shares."""

    setup: Setup
    source: Source
    """Where the model's weights are, now that they are there."""
    model: ModelRef
    inputs: Inputs
    store: Store
    workers: Workers
    listener: Listener
    notices: list[str] = field(default_factory=list)
    """What there is to know of how cells run, as the launcher has said by now."""

    def run(self, planned: Planned, foresight: Foresight = UNSEEN) -> Record | None:
        """Run one cell, unless it is skipped, and store its record; None if it has a result."""
        kept = self.result(planned)
        if kept:
            self.listener.record(kept, True)
            return None
        self.listener.cell(records.cell(planned.cell))
        record = self._skipped(planned, foresight) or self._launched(planned.cell, foresight)
        record = self.store.write_record(record)
        self.listener.record(record, False)
        shutil.rmtree(self.store.work / planned.cell.id, ignore_errors=True)
        return record

    def result(self, planned: Planned) -> Record | None:
        """The record that the cell has and keeps, if any."""
        record = self.store.record(planned.cell.id)
        retry = self.setup.config.retry
        return record if record and is_result(record, planned.skip, retry) else None

    def predict(self, cells: Plan) -> Foresight:
        """What can be said of the memory of the cells that have no result yet."""
        pending = [p for p in cells.cells if not self.result(p)]
        return foresee(self.setup, pending, self._estimates, self.listener.event)

    def _skipped(self, planned: Planned, foresight: Foresight) -> Record | None:
        """The record of a cell that cannot run."""
        if planned.broken:
            return self._unrun(planned.cell, foresight, "failed", planned.broken)
        if planned.skip:
            return self._unrun(planned.cell, foresight, "skipped", planned.skip)
        return None

    def _unrun(self, cell: Cell, foresight: Foresight, status: Status, reason: str) -> Record:
        """The record of a cell that had no worker."""
        return Record(
            cell=cell,
            status=status,
            reason=reason,
            environment=self.setup.environment,
            predicted=foresight.parts(cell),
        )

    def _launched(self, cell: Cell, foresight: Foresight) -> Record:
        """Run the cell's worker and make its record, also where none could be started."""
        alike = self._evaluated(cell)
        job = self._job(cell).model_copy(update={"evaluates": alike is None})
        try:
            outcome = self.workers.run(job, self.store.log(cell.id), self._hear)
        except CannotLaunch as error:
            return self._unrun(cell, foresight, "failed", str(error))
        instead = partial(foresight.instead, cell)
        record = record_of(job, outcome, foresight.parts(cell), instead)
        return evaluated_as(record, alike) if alike and record.status == "ok" else record

    def _evaluated(self, cell: Cell) -> Record | None:
        """The same untrained model with another seed, evaluated; None where there is none.

        It predicts the same whatever the seed, which only says what it would have trained on.
        """
        if cell.trains or cell.model.weights == "random":
            return None
        same = _without_seed(cell)
        return next(
            (
                r
                for r in self.store.read().planned
                if r.status == "ok" and r.examples and not r.cell.trains
                if _without_seed(r.cell) == same
            ),
            None,
        )

    def _job(self, cell: Cell) -> Job:
        """What the cell's worker has to know."""
        folder = self.store.work_folder(cell.id)
        return Job(
            cell=cell,
            environment=self.setup.environment,
            model_source=self.source.weights_location,
            tokenizer_source=self._tokenizer,
            train_file=self._train_file,
            eval_file=self.store.data.resolve() / "eval.jsonl" if self.inputs.evaluate else None,
            validation_file=(
                self.store.data.resolve() / "validation.jsonl" if self.inputs.validation else None
            ),
            record_file=folder / "record.json",
            work_folder=folder,
            plugin_files=plugin.files(),
            attempt=self.store.attempts(cell.id) + 1,
            limit_seconds=self.setup.config.cell_timeout,
            started_at=time.time(),
        )

    def _estimates(self, cells: tuple[Cell, ...]) -> Mapping[str, Estimate]:
        """What a worker predicts of the cells, by cell id."""
        job = EstimateJob(
            cells=cells,
            environment=self.setup.environment,
            model_source=self.source.weights_location,
            tokenizer_source=self._tokenizer,
            train_file=self._train_file,
            answer_file=self.store.work_folder("estimate") / "answer.json",
            plugin_files=plugin.files(),
        )
        log = self.store.logs.resolve() / "estimate.log"
        return answer_of(job, self.workers.run(job, log, self._hear_estimate)).cells

    def _hear(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.notices.append(event.reason)
        self.listener.event(event)

    def _hear_estimate(self, event: Event) -> None:
        match event:
            case Estimated():
                self.listener.event(Predicting(done=event.done, total=event.total))
            case Started():
                pass  # no cell has
            case _:
                self._hear(event)

    @property
    def _tokenizer(self) -> str | None:
        return self.source.tokenizer_location if self.setup.has_text else None

    @property
    def _train_file(self) -> Path | None:
        return self.store.data.resolve() / "train.jsonl" if self.inputs.train else None
