"""A comparison, from its setup to its last record."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from llmbench.config import plan, rate
from llmbench.config.setup import Setup, notices
from llmbench.errors import StoreError
from llmbench.record.comparison import Header, Plan
from llmbench.record.events import Listener
from llmbench.run import inputs as feed
from llmbench.run import lock, resume
from llmbench.run.cell import Bench
from llmbench.run.course import Course
from llmbench.run.inputs import Inputs
from llmbench.run.tuning import Tuning
from llmbench.source import model as source
from llmbench.source.digest import model_ref
from llmbench.storage.store import Store
from llmbench.workers import signals
from llmbench.workers.launch import make_launcher


def run(
    setup: Setup,
    command: str,
    listener: Listener,
    locks: contextlib.ExitStack | None = None,
) -> Store:
    """Run every cell of the comparison that has no result yet; returns its directory.

    Whoever goes on to write there hands in what is to hold the locks until then. Raises
    Interrupted where the user ended it.
    """
    rate.to_tune(setup)  # refuses what cannot be before anything is read
    with contextlib.ExitStack() as stack:
        held = locks or stack
        held.enter_context(lock.device(setup, listener.event))
        seen = lock.check(setup)
        launcher = make_launcher(setup.config.launcher, setup.config.cell_timeout)
        stack.callback(launcher.close)
        fetched = source.fetch(setup.source, needs_tokenizer=setup.has_text)
        inputs = feed.read(setup)
        model = model_ref(fetched)
        store = Store(Path(setup.config.output) if setup.config.output else default_output(setup))
        store.create_root()
        held.enter_context(lock.directory(store.root, setup.config.wait, listener.event))
        store.create()
        resume.recover(store)
        feed.write(inputs, store)
        bench = Bench(setup, fetched, inputs, store, launcher, listener)
        with signals.interruptions(launcher, listener.event) as stopped, cleared(store):
            tuning = Tuning(setup, model, inputs.refs, store)
            made = header(setup, store, command, inputs, seen)
            Course(bench, tuning, made, stopped).run()
    if stopped():
        raise signals.Interrupted(store)
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


def header(
    setup: Setup,
    store: Store,
    command: str,
    inputs: Inputs,
    seen: tuple[str, ...] = (),
) -> Header:
    """What `comparison.json` says before there is a plan; `seen` are notices of the machine."""
    return Header(
        name=store.root.name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        configuration=setup.config.model_dump(mode="json"),
        origins=setup.resolved.origins,
        environment=setup.environment,
        plan=Plan(cells=()),
        data_fields=inputs.train.fields if inputs.train else {},
        notices=(*notices(setup), *feed.notices(inputs), *seen),
    )


def default_output(setup: Setup) -> Path:
    """`reports/20261122-071200-llmbench-tiny`."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("reports") / f"{stamp}-{plan.slug(setup.source.id)}"
