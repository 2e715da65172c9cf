"""What the cells of a comparison run with, and the way of each from the plan to its record."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from llmbench import plugin
from llmbench.config.setup import Setup
from llmbench.estimate.foresight import UNSEEN, Foresight, foresee
from llmbench.estimate.run import processes_for
from llmbench.plugin.launcher import CannotLaunch, WorkerLost
from llmbench.record.comparison import Plan, Planned
from llmbench.record.events import Estimated, Event, Listener, Notice, Predicting, Say, Started
from llmbench.record.record import Cell, ModelRef, Record, Status
from llmbench.redact import records
from llmbench.run import keeping, lanes
from llmbench.run.clock import Clock
from llmbench.run.inputs import Inputs
from llmbench.source.model import Source
from llmbench.storage.store import Store
from llmbench.workers.job import ARTIFACT, Estimate, EstimateJob, Job
from llmbench.workers.launch import Workers
from llmbench.workers.outcome import INTERRUPTED, Outcome, answer_of, record_of

CUT_OFF = "Cut off: the time budget ended."
"""The reason of a cell that ran when all time was over."""
MINIMAL_SECONDS = 1.0
"""What a cell has that begins when no time is left."""
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
    visible_gpus: str | None = None
    """The GPUs that its workers may use, as CUDA_VISIBLE_DEVICES names them; None for all."""
    threads: int | None = None
    """With how many threads cells compute; None for as many as torch takes."""
    notices: list[str] = field(default_factory=list)
    """Notices of the launcher on how cells run, those given so far."""
    clock: Clock | None = None
    """Of a time budget: when it is over, what still runs is cut off."""
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held by whichever of the cells that run at once does something other than wait for its
    worker: store and listener hear one at a time."""

    def run(
        self, planned: Planned, foresight: Foresight = UNSEEN, anew: bool = False
    ) -> Record | None:
        """Run one cell, unless it is skipped, and store its record; None if it has a result.

        `anew` is whether it is run also then.
        """
        with self.turn:
            return self._run(planned, foresight, anew)

    def _run(self, planned: Planned, foresight: Foresight, anew: bool) -> Record | None:
        kept = None if anew else self.result(planned)
        if kept:
            self.listener.record(kept, True)
            return None
        self.listener.cell(records.cell(planned.cell))
        skipped = self._skipped(planned, foresight)
        return self._keep(skipped) if skipped else self._attempted(planned.cell, foresight)

    def _attempted(self, cell: Cell, foresight: Foresight, again: bool = True) -> Record:
        """Run the cell's worker; once more, if `again`, where that is lost with its machine."""
        try:
            return self._keep(self._launched(cell, foresight))
        except WorkerLost as error:
            lost = self._keep(self._lost(cell, foresight, str(error)))
        if not again or lost.status == "interrupted":
            return lost
        said = Notice(reason=f"{records.cell(cell).id} is run once more. {lost.reason}")
        self.notices.append(said.reason)
        self.listener.event(said, cell)
        return self._attempted(cell, foresight, again=False)

    def _keep(self, record: Record) -> Record:
        """Store a cell's record and what --save asks for; leave nothing else of its run."""
        record = self.store.write_record(record)
        keeping.keep(self.store, record, self.source, self.store.work / record.cell.id / ARTIFACT)
        self.listener.record(record, False)
        shutil.rmtree(self.store.work / record.cell.id, ignore_errors=True)
        return record

    def _lost(self, cell: Cell, foresight: Foresight, reason: str) -> Record:
        """The record of a cell whose worker is gone with all that it found."""
        if self.workers.interrupted:
            return self._unrun(cell, foresight, "interrupted", INTERRUPTED)
        return self._unrun(cell, foresight, "killed", reason)

    def result(self, planned: Planned) -> Record | None:
        """The record that the cell has and keeps, if any."""
        record = self.store.record(planned.cell.id)
        retry = self.setup.config.retry
        return record if record and is_result(record, planned.skip, retry) else None

    def predict(self, cells: Plan) -> Foresight:
        """The predicted memory of the cells that have no result yet."""
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
            outcome = self._worked(job, partial(self._hear, cell=cell))
        except CannotLaunch as error:
            return self._unrun(cell, foresight, "failed", str(error))
        instead = partial(foresight.instead, cell)
        record = self._cut(record_of(job, outcome, foresight.parts(cell), instead), job)
        return evaluated_as(record, alike) if alike and record.status == "ok" else record

    def _cut(self, record: Record, job: Job) -> Record:
        """The record; of a cell that the time budget cut off, as one that is to be run again."""
        if record.status != "timeout" or job.limit_seconds == self.setup.config.cell_timeout:
            return record
        said = {"status": "interrupted", "reason": CUT_OFF, "traceback": None}
        return record.model_copy(update=said)

    def _limit(self) -> float | None:
        """How long a cell that begins now may take."""
        limits = [self.setup.config.cell_timeout]
        if self.clock:
            limits.append(max(MINIMAL_SECONDS, self.clock.overtime))
        return min((limit for limit in limits if limit is not None), default=None)

    def _worked(self, job: Job, hear: Say) -> Outcome:
        """How the cell's worker ended; while it runs, others have their turn."""
        log = self.store.log(job.cell.id)
        self.turn.release()
        try:
            return self.workers.run(job, log, hear)
        finally:
            self.turn.acquire()

    def _evaluated(self, cell: Cell) -> Record | None:
        """The same untrained model with another seed, evaluated; None where there is none.

        It predicts the same whatever the seed, which only says what it would have trained on.
        """
        if cell.trains or cell.model.weights != "pretrained":
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
            save=self.setup.config.save,
            plugin_files=plugin.files(),
            attempt=self.store.attempts(cell.id) + 1,
            visible_gpus=self.visible_gpus,
            threads=self.threads,
            elsewhere=lanes.elsewhere(self.setup),
            limit_seconds=self._limit(),
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
            processes=processes_for(len(cells)),
        )
        log = self.store.logs.resolve() / "estimate.log"
        return answer_of(job, self.workers.run(job, log, self._hear_estimate)).cells

    def _hear(self, event: Event, cell: Cell | None = None) -> None:
        with self.turn:
            if isinstance(event, Notice):
                self.notices.append(event.reason)
            self.listener.event(event, cell)

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
