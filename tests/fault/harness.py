"""Comparisons that real processes run, and what is left of them after a fault."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from records import shape

from llmbench.errors import StoreError
from llmbench.output.html.page import render
from llmbench.plugin.catalogue import CHOICE
from llmbench.record.record import Record
from llmbench.storage.read import read_record
from llmbench.storage.store import Store

Event = dict[str, Any]

PLUGINS = Path(__file__).parent / "plugins"
MARK = "FAULT_RUN"
"""Environment variable by which every process of a comparison is known."""
WITHOUT_REPORT = "faults,launchers,metrics,models,strategies,tasks"
PATIENCE_SECONDS = 300
ORPHAN_SECONDS = 5.0
"""How long a process may live on after its parent was killed."""
RESULTS = frozenset({"ok", "failed", "oom", "diverged", "timeout", "skipped"})
"""Statuses of cells that a second run leaves as they are."""


@dataclass
class Ended:
    """How a command ended, and what it said as it went."""

    status: int
    events: list[Event]
    errors: str

    def cells(self, kept: bool) -> set[str]:
        """Ids of the cells that it said have a record now: kept ones, or others."""
        return {e["cell"] for e in self.events if e["event"] == "record" and e["kept"] == kept}


class Comparison:
    """A comparison in a folder of its own, on random weights of a tiny shape."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.root = folder / "out"
        self.options = options
        self.mark = uuid.uuid4().hex
        shape(folder)

    @property
    def store(self) -> Store:
        """Its directory."""
        return Store(self.root)

    def start(
        self, *more: str, before: Sequence[str] = (), report: bool = False, **variables: str
    ) -> subprocess.Popen[str]:
        """Start the command line, after `before`; its events come as lines of JSON.

        Without `report` the plugins that write it are left out, which saves most of the time.
        """
        plugins = {} if report else {CHOICE: WITHOUT_REPORT}
        command = [
            *(*before, sys.executable, "-m", "llmbench", "compare", "--jsonl", "--device", "cpu"),
            *("--model", "shape", "--weights", "random", "--seq-len", "32", "--batch-size", "1"),
            *("--steps", "6", "--max-new-tokens", "4", "--output", "out", *self.options, *more),
        ]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment(**{MARK: self.mark, **plugins, **variables}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_heed_hangups,
        )

    def run(
        self,
        *more: str,
        before: Sequence[str] = (),
        report: bool = False,
        on_event: Callable[[Event, int], None] | None = None,
        **variables: str,
    ) -> Ended:
        """Run the command line to its end; `on_event` is given each event and the parent's pid."""
        process = self.start(*more, before=before, report=report, **variables)
        return follow(process, on_event)

    def records(self) -> dict[str, Record]:
        """The latest record of each cell that has one which can be read."""
        paths = [p for p in self.store.records.glob("*.json") if ".attempt-" not in p.name]
        return {r.cell.id: r for r in map(_record, paths) if r}

    def workers(self) -> list[psutil.Process]:
        """Every process of the comparison that is there."""
        return [p for p in psutil.process_iter() if _marked(p, self.mark)]


def environment(**variables: str) -> dict[str, str]:
    """Environment variables with which the suite's plugins are installed."""
    path = os.pathsep.join([str(PLUGINS), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **variables}


def follow(
    process: subprocess.Popen[str], on_event: Callable[[Event, int], None] | None = None
) -> Ended:
    """Hear a process out."""
    assert process.stdout
    assert process.stderr
    events = []
    for line in process.stdout:
        if not line.endswith("\n"):
            break  # cut off by a kill
        events.append(json.loads(line))
        if on_event:
            on_event(events[-1], process.pid)
    errors = process.stderr.read()
    return Ended(process.wait(PATIENCE_SECONDS), events, errors)


@dataclass
class Aftermath:
    """What faults cost, counted over all of them."""

    fault: str
    times: int = 0
    lost: int = 0
    """Cells that were said to be recorded and are not."""
    unreadable: int = 0
    orphans: int = 0
    unrendered: int = 0
    reruns: int = 0
    """Second runs that did more or less than was missing."""
    notes: list[str] = field(default_factory=list)

    @property
    def harm(self) -> tuple[int, ...]:
        """Everything that must be 0."""
        return self.lost, self.unreadable, self.orphans, self.unrendered, self.reruns

    def look(self, comparison: Comparison, ended: Ended, times: int = 1) -> None:
        """Count what one fault left behind."""
        self.times += times
        self.orphans += len(alive(comparison))
        held = comparison.records()
        recorded = ended.cells(kept=False) | ended.cells(kept=True)
        self.lost += len(recorded - held.keys())
        self.unreadable += sum(_record(p) is None for p in comparison.store.records.glob("*.json"))
        if (comparison.root / "comparison.json").exists():
            found = comparison.store.read()
            self.unreadable += len(found.problems)
            self.unrendered += not render(found).rstrip().endswith("</html>")

    def run_again(self, comparison: Comparison, *more: str, **variables: str) -> Ended:
        """Run the rest, without any fault, and count it if it was not exactly the rest.

        Workers that do nothing do, unless `more` says otherwise.
        """
        done = settled(comparison)
        ended = comparison.run("--launcher", "quick", *more, **variables, FAULTS="off")
        planned = {c["cell"] for e in ended.events if e["event"] == "plan" for c in e["cells"]}
        held = {r.cell.id for r in comparison.records().values() if r.status in RESULTS}
        self.reruns += ended.cells(kept=False) != planned - done or not planned <= held
        self.look(comparison, ended, times=0)
        return ended


def settled(comparison: Comparison) -> set[str]:
    """Ids of the cells that need not be run again.

    Results on disk, and those that a worker had written when its parent was killed.
    """
    held = {r.cell.id for r in comparison.records().values() if r.status in RESULTS}
    left = map(_record, comparison.store.work.glob("*/record.json"))
    return held | {r.cell.id for r in left if r and r.status == "ok"}


def alive(comparison: Comparison) -> list[psutil.Process]:
    """Processes of the comparison that outlive it for longer than they may."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while (found := comparison.workers()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in found:
        process.kill()
    return found


def begins(event: Event, composition: str, phase: str) -> bool:
    """Whether the event is that a phase of such a cell begins."""
    return (
        event["event"] == "phase"
        and event["phase"] == phase
        and event["cell"].startswith(composition)
    )


def kinds(records: Iterable[Record]) -> dict[str, str]:
    """Status by composition."""
    return {r.cell.composition: r.status for r in records}


def _heed_hangups() -> None:
    """Whatever started the tests may have had them ignored (nohup)."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _record(path: Path) -> Record | None:
    try:
        return read_record(path)
    except StoreError:
        return None


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
