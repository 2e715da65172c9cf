"""Builds the record of a running cell, and keeps on disk what is known so far."""

from __future__ import annotations

import contextlib
import math
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from llmbench import redact
from llmbench.errors import UserError, message
from llmbench.files import write_text
from llmbench.plugin.probe import Probe
from llmbench.plugin.strategy import CannotRun
from llmbench.record.events import LossValidated, PhaseBegun, Say, StepTaken
from llmbench.record.record import Phase, PhaseRecord, Record, Start, Status, Step, Validation
from llmbench.worker import shortage
from llmbench.worker.memory import Meter
from llmbench.worker.shortage import no_room, root
from llmbench.worker.train import Diverged
from llmbench.workers.job import Job

WRITE_INTERVAL_SECONDS = 5.0
"""How much of a long training a kill may lose; writing happens between steps."""

NO_DETERMINISM = " does not have a deterministic implementation"
"""What torch says behind the name of an operation that it will not run with --deterministic."""


class Recorder:
    """The record of one cell while it grows."""

    def __init__(self, job: Job, meter: Meter, probes: Sequence[Probe], say: Say) -> None:
        self.say = say
        self.meter = meter
        self._file = job.record_file
        self._probes = probes
        self._began = time.perf_counter()
        self._written = self._began
        self._steps: list[Step] = []
        self._phases: dict[Phase, PhaseRecord] = {}
        self._record = Record(
            cell=job.cell,
            attempt=job.attempt,
            status="running",
            started_at=datetime.fromtimestamp(job.started_at, UTC).isoformat(timespec="seconds"),
            environment=job.environment,
        )

    def note(self, **fields: Any) -> None:
        """Set fields of the record."""
        self._record = self._record.model_copy(update=fields)

    @property
    def start(self) -> Start | None:
        """The losses before anything is learnt, as far as they are noted."""
        return self._record.start

    def warn(self, sentence: str) -> None:
        """Add a warning to the record."""
        self.note(warnings=(*self._record.warnings, sentence))

    def observe(self, **facts: str) -> None:
        """Add to what was in force, as it was seen."""
        self.note(effective={**self._record.effective, **facts})

    def step(self, step: Step) -> None:
        """Add a training step."""
        self._steps.append(step)
        for probe in self._probes:
            probe.after_step(len(self._steps))
        self.say(
            StepTaken(
                step=len(self._steps),
                steps=self._record.cell.settings.steps,
                loss=step.loss,
                tokens_per_second=step.nonpadding_tokens / step.seconds,
                memory_bytes=self.meter.peak_so_far(),
            )
        )
        if time.perf_counter() - self._written > WRITE_INTERVAL_SECONDS:
            self._write()

    def validation(self, step: int, loss: float) -> None:
        """Add a validation loss, taken after so many steps."""
        validation = Validation(
            step=step,
            train_seconds=sum(s.seconds for s in self._steps),
            tokens=sum(s.nonpadding_tokens for s in self._steps),
            loss=loss if math.isfinite(loss) else None,
        )
        self.note(validation=(*self._record.validation, validation))
        self.say(LossValidated(step=step, loss=validation.loss))

    @contextlib.contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Measure a phase, and write down what is known once it has ended, well or badly."""
        self.note(phase=phase)
        self._write()
        self.say(PhaseBegun(phase=phase))
        with self.meter.phase() as peaks:
            for probe in self._probes:
                probe.enter(phase)
            began = time.perf_counter()
            try:
                yield
            finally:
                self._phases[phase] = PhaseRecord(
                    seconds=time.perf_counter() - began,
                    memory=peaks(),
                    probes={p.id: p.leave(phase) for p in self._probes},
                    conditions=self.meter.conditions(),
                )
                self._write()

    def finish(self, error: BaseException | None) -> Status:
        """Write the final record; returns how the cell ended."""
        status, reason = outcome(error)
        reason = reason and redact.text(reason)
        if error and status == "oom":
            self.note(shortage=shortage.of(error, self.meter.cuda))
            shortage.let_go(error)
            traceback.print_exception(error)  # the log has what the reason leaves out
        self.note(
            status=status,
            reason=reason,
            phase=None if error is None else self._record.phase,
            traceback=trace(error) if status == "failed" and error else None,
            seconds=time.perf_counter() - self._began,
        )
        self._write()
        return status

    def _write(self) -> None:
        self._written = time.perf_counter()
        self.note(phases=dict(self._phases), steps=tuple(self._steps))
        write_text(self._file, self._record.model_dump_json())


def outcome(error: BaseException | None) -> tuple[Status, str | None]:
    """The status that an exception means, and its reason in words."""
    if error is None:
        return "ok", None
    text = message(error).strip() or type(error).__name__
    if isinstance(error, CannotRun):
        return "skipped", text
    if isinstance(error, Diverged):
        return "diverged", text
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "Interrupted by the user."
    if memory_error := root(error):  # of a plugin, too: what a cell needs is nobody's fault
        return "oom", (message(memory_error).strip() or type(memory_error).__name__).split("\n")[0]
    if no_room(error):
        return "interrupted", f"The disk is full: make room, and run it again ({text})."
    if NO_DETERMINISM in text:
        operation = text.partition(NO_DETERMINISM)[0]
        return "failed", f"{operation} gives no equal bits: run it without --deterministic."
    return "failed", text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


def trace(error: BaseException) -> str:
    """The traceback, without what must not be written down."""
    return redact.text("".join(traceback.format_exception(error)))
