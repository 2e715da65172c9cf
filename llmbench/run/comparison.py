"""A comparison, from its locks to its report."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from llmbench.analysis import field
from llmbench.config import plan, rate
from llmbench.config.setup import Setup, notices
from llmbench.errors import StoreError
from llmbench.estimate.foresight import UNSEEN, Foresight
from llmbench.machine import gpu_facts
from llmbench.record.comparison import Comparison, Header, Plan, Planned
from llmbench.record.events import Listener, Notice, Stopped
from llmbench.record.record import Record
from llmbench.redact import log
from llmbench.run import inputs, keeping, lanes, lock
from llmbench.run.cell import Bench
from llmbench.run.hearing import Hearing
from llmbench.run.tuning import Tuning
from llmbench.source import model
from llmbench.source.digest import model_ref
from llmbench.storage.export import Written, export
from llmbench.storage.place import PlaceError
from llmbench.storage.read import read_record
from llmbench.storage.store import Store
from llmbench.workers.launch import Workers, make_workers
from llmbench.workers.signals import Interruption


@dataclass(frozen=True)
class Finished:
    """A comparison as far as it came, and the files that were written of it."""

    comparison: Comparison
    directory: Path
    written: Written
    interrupted: bool
    """Whether the user ended it."""


def run(setup: Setup, command: str, view: Listener) -> Finished:
    """Run every cell of the comparison that has no result yet, and write its report.

    The GPU and the directory are held until that is written. KeyboardInterrupt where the user ends
    it before there is anything to keep, or a second time.
    """
    rate.to_tune(setup)  # refuses what cannot be before anything is read
    lanes.check(setup, gpu_facts())
    keeping.check(setup)
    listener = Hearing(view)
    with ExitStack() as resources:
        interruption = resources.enter_context(Interruption(listener.event))
        resources.enter_context(lock.device(setup, listener.event))
        seen = (*lock.check(setup), *lanes.notices(setup))
        with ExitStack() as started:
            crew = lanes.Crew(partial(make_workers, setup.config.launcher))
            started.enter_context(closing(crew))
            first = crew.first(setup.config.jobs)[0]
            bench = prepared(setup, first, listener, resources)
            gpus = lanes.visible(setup, gpu_facts())
            for sentence in seen:
                listener.event(Notice(reason=sentence))
            with interruption.reaching(crew), cleared(bench.store):
                tuning = Tuning(setup, bench.model, bench.inputs.refs, bench.store)
                Course(bench, crew, gpus, tuning, header(bench, command, seen), interruption).run()
        comparison = bench.store.read()
        written = export(comparison, bench.store.root)
        settle(bench.store, listener)
        listener.finish(comparison, bench.store.root)
        written.problems.extend(listener.problems)
        return Finished(comparison, bench.store.root, written, interruption.asked)


def prepared(setup: Setup, workers: Workers, listener: Listener, resources: ExitStack) -> Bench:
    """Fetch the model, read the data and lay out the directory, which `resources` keeps locked."""
    store = Store.at(setup.config.output or default_output(setup))
    fetched = model.fetch(setup.source, needs_tokenizer=setup.has_text)
    chosen, reference = inputs.read(setup), model_ref(fetched)
    store.create_root()
    resources.enter_context(lock.directory(store.root, setup.config.wait, listener.event))
    if store.place:
        listener.event(Notice(reason=store.place.notice))
        store.place.begin()
    store.create()
    recover(store)
    store.send(store.root)
    inputs.write(chosen, store)
    return Bench(setup, fetched, reference, chosen, store, workers, listener)


def settle(store: Store, listener: Listener) -> None:
    """Send the reports, and whatever else is not where the directory belongs."""
    if store.place:
        store.place.settle()
        listener.event(Notice(reason=f"Everything is in '{store.place.shown}'."))


def default_output(setup: Setup) -> Path:
    """`reports/20261122-071200-llmbench-tiny`."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("reports") / f"{stamp}-{plan.slug(setup.source.id)}"


def recover(store: Store) -> None:
    """Take over what workers had written when their parent was killed, and tidy up after it.

    A cell that had ended has its record now; of one that had not, what was known by then.
    """
    for path in sorted(store.work.glob("*/record.json")):
        with contextlib.suppress(StoreError):  # written by nobody, or by a newer llmbench
            left = read_record(path)
            if left.attempt > store.attempts(left.cell.id):
                store.write_record(_ended(left))
    for path in store.work.iterdir():
        log.clean(store.logs / f"{path.name}.log")
        shutil.rmtree(path, ignore_errors=True)
    store.remove_temporaries()


def _ended(record: Record) -> Record:
    if record.status != "running":
        return record
    reason = "llmbench was killed during this run."
    return record.model_copy(update={"status": "killed", "reason": reason})


@contextlib.contextmanager
def cleared(store: Store) -> Iterator[None]:
    """Leave no work folder behind, and say how to go on where a record could not be written.

    Such a comparison ends at once: whatever the next cells found would be lost as well.
    """
    try:
        yield
    except PlaceError:  # it says where everything is
        raise
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


def header(bench: Bench, command: str, seen: tuple[str, ...]) -> Header:
    """What `comparison.json` says before there is a plan; `seen` are notices of the machine."""
    setup, chosen = bench.setup, bench.inputs
    return Header(
        name=bench.store.root.name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        configuration=setup.config.model_dump(mode="json"),
        origins=setup.resolved.origins,
        environment=setup.environment,
        plan=Plan(cells=()),
        data_fields=chosen.train.fields if chosen.train else {},
        notices=(*notices(setup), *seen),
        warnings=inputs.notices(chosen),
    )


@dataclass
class Course:
    """The search for learning rates, then the cells that are reported: what has no result yet.

    Keeps the plan in `comparison.json` up to date.
    """

    bench: Bench
    """What every cell runs with, but for its workers and its GPU."""
    crew: lanes.Crew
    gpus: Sequence[str | None]
    """For each cell that runs at once, the GPU that it has for itself; None for all that are there.
    Tries of learning rates may share one."""
    tuning: Tuning
    header: Header
    interruption: Interruption
    foresight: Foresight | None = None
    """What is known of the cells' memory, once it was asked for."""

    def run(self) -> None:
        """Search for the rates, and run every cell at its own."""
        declared = self._lay_out({})
        self._write(declared)
        self.bench.listener.start(self.header.plan, self.bench.store.root)
        cells = declared
        if self.tuning.arithmetics:
            if not self._tune(declared):
                return
            cells = self._lay_out(self.tuning.chosen())
            self._write(cells)
        if self._run(cells, cells.cells) and cells.repeats:
            self._repeat(cells)

    def _repeat(self, cells: Plan) -> None:
        """Run the fastest once more, or what was run once more already."""
        so_far = self.bench.store.read()
        fastest = field.fastest(so_far)
        done = {r.cell.id for r in so_far.repeats}
        again = {p.cell.id: plan.once_more(p) for p in cells.cells}
        chosen = [p for p in again.values() if p.cell.id in done]
        if not chosen and fastest and fastest.id in again:
            chosen = [again[fastest.id]]
        self._write(cells.model_copy(update={"cells": (*cells.cells, *chosen), "repeats": 0}))
        self._run(cells, chosen)

    def _tune(self, declared: Plan) -> bool:
        """Try rates until every arithmetic has its own; whether it went on to the end."""
        while tries := self.tuning.pending(lambda: self._foresee(declared)):
            self._write(declared)
            if not self._try(declared, tries):
                return False
        return True

    def _try(self, declared: Plan, tries: Sequence[Planned]) -> bool:
        """Run tries, several on a GPU where there is room; whether others are to be run after them.

        One that ran out of memory beside others is run again alone: the others took it.
        """
        pending = [p for p in tries if not self.bench.result(p)]
        peaks = [self._foresee(declared).peak_bytes(p.cell) for p in pending]
        at_once = lanes.tries_at_once(self.bench.setup, peaks)
        if at_once == 1:
            return self._run(declared, tries)
        self._note(lanes.TRIED_AT_ONCE)
        if not self._run(declared, tries, at_once):
            return False
        ended = {p.cell.id: self.bench.store.record(p.cell.id) for p in pending}
        crowded = [p for p in pending if (r := ended[p.cell.id]) and r.status == "oom"]
        return self._run(declared, crowded, anew=True)

    def _run(
        self, cells: Plan, chosen: Sequence[Planned], at_once: int = 1, anew: bool = False
    ) -> bool:
        """Run some cells of a plan, so many on a GPU; whether others are to be run after them.

        `anew` is whether also those that have a result are run.
        """
        settled = not anew and all(map(self.bench.result, chosen))
        foresight = UNSEEN if settled else self._foresee(cells)
        gpus = [*self.gpus] * at_once
        benches = [
            replace(self.bench, workers=workers, visible_gpus=gpu)
            for workers, gpu in zip(self.crew.first(len(gpus)), gpus, strict=True)
        ]
        stops = at_once == 1 and self.bench.setup.config.on_oom == "stop"
        ways = [partial(self._run_one, bench, foresight, stops, anew) for bench in benches]
        return lanes.run(ways, map(foresight.of, chosen)) and not self.interruption.asked

    def _run_one(
        self, bench: Bench, foresight: Foresight, stops: bool, anew: bool, planned: Planned
    ) -> bool:
        """Run a cell; whether others are to be begun after it.

        `stops` is whether running out of memory ends the comparison.
        """
        if self.interruption.asked:
            return False
        ran = bench.run(planned, foresight, anew)
        with bench.turn:
            self._note()
            if ran and ran.status == "oom" and stops:
                bench.listener.event(Stopped(reason=stopped(bench.setup.config.retry)))
                return False
        return True

    def _lay_out(self, tuned: dict[str, float]) -> Plan:
        return plan.make(self.bench.setup, self.tuning.model, self.bench.inputs.refs, tuned)

    def _write(self, cells: Plan) -> None:
        """Put the tries and the cells into the header, and tell who listens."""
        whole = Plan(
            cells=(*self.tuning.cells, *cells.cells),
            to_come=self.tuning.to_come(),
            repeats=cells.repeats,
        )
        started = bool(self.header.plan.cells)
        self.header = self.header.model_copy(update={"plan": whole})
        written = self.bench.store.write_header(self.header)
        if started:
            self.bench.listener.replan(written.plan)

    def _foresee(self, cells: Plan) -> Foresight:
        """What is known of the cells' memory; notices of it go into the header."""
        if self.foresight is None:
            self.foresight = self.bench.predict(cells)
            self._note(*self.foresight.notices)
        return self.foresight

    def _note(self, *more: str) -> None:
        """Add the notices to the header that came up since it was written."""
        known = dict.fromkeys((*self.header.notices, *self.bench.notices, *more))
        if len(known) > len(self.header.notices):
            self.header = self.header.model_copy(update={"notices": tuple(known)})
            self.bench.store.write_header(self.header)


def stopped(retry: Sequence[str]) -> str:
    """The sentence when --on-oom stop ends the comparison; --retry would run the cell again."""
    again = "" if not {"oom", "all"} & set(retry) else ", and without that --retry,"
    return (
        "Stopped when memory ran out (--on-oom stop): the same command with the "
        f"same --output{again} goes on with the next one."
    )
