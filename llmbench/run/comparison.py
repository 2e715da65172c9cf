"""A comparison, from its locks to its report."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from llmbench.config import plan, rate
from llmbench.config.setup import Setup, notices
from llmbench.errors import StoreError
from llmbench.machine import gpu_facts
from llmbench.record.comparison import Comparison, Header, Plan
from llmbench.record.events import Listener, Notice
from llmbench.record.record import Record
from llmbench.redact import log
from llmbench.run import budget, clock, inputs, keeping, lanes, lock
from llmbench.run.cell import Bench
from llmbench.run.clock import Clock
from llmbench.run.course import Course
from llmbench.run.hearing import Hearing
from llmbench.run.timed import TimedCourse, kept
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
    setup = budget.at_most(setup) if setup.config.time_budget else setup
    listener = Hearing(view)
    with ExitStack() as resources:
        interruption = resources.enter_context(Interruption(listener.event))
        resources.enter_context(lock.device(setup, listener.event))
        threads, began = lock.threads(setup), clock.now()
        seen = (*lock.check(setup), *lock.fewer(threads), *lanes.notices(setup))
        with ExitStack() as started:
            crew = lanes.Crew(partial(make_workers, setup.config.launcher))
            started.enter_context(closing(crew))
            first = crew.first(setup.config.jobs)[0]
            bench = replace(prepared(setup, first, listener, resources), threads=threads)
            gpus = lanes.visible(setup, gpu_facts())
            for sentence in seen:
                listener.event(Notice(reason=sentence))
            with interruption.reaching(crew), cleared(bench.store):
                tuning = Tuning(setup, bench.model, bench.inputs.refs, bench.store)
                made = header(bench, command, seen)
                course = Course(bench, crew, gpus, tuning, made, interruption)
                (within(course, listener, began) if setup.config.time_budget else course).run()
        comparison = bench.store.read()
        written = export(comparison, bench.store.root)
        settle(bench.store, listener)
        listener.finish(comparison, bench.store.root)
        written.problems.extend(listener.problems)
        return Finished(comparison, bench.store.root, written, interruption.asked)


def within(course: Course, listener: Hearing, began: float) -> TimedCourse:
    """The course within the time budget that it has; `began` is when it did, by `clock.now`."""
    config, bench = course.bench.setup.config, course.bench
    timed = kept(bench.store, config.time_budget or 0.0, len(config.every_seed))
    running = Clock(timed.seconds, began, timed.spent_seconds)
    return TimedCourse(
        replace(bench, clock=running),
        course.crew,
        course.gpus,
        course.tuning,
        course.header,
        course.interruption,
        clock=running,
        timed=timed,
        hearing=listener,
    )


def prepared(setup: Setup, workers: Workers, listener: Listener, resources: ExitStack) -> Bench:
    """Fetch the model, read the data and lay out the directory, which `resources` keeps locked."""
    store = Store.at(setup.config.output or default_output(setup))
    fetched = model.fetch(setup.source, needs_tokenizer=setup.has_text)
    reference = model_ref(fetched, setup.config.train_from_scratch)
    chosen = inputs.read(setup)
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
