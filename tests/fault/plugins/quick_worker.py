"""A worker that does nothing, quickly: phases that sleep, and records as a real one writes them.

`python -S quick_worker.py SCHEMA_VERSION cell.json LOG`. It imports the standard library alone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

PHASES = ("load", "prepare", "train", "evaluate", "save")
CANNOT_WRITE = 5
ROOT = Path(__file__).parents[3]


def main(version: str, job_file: str, log_file: str) -> None:
    """Go through the phases and leave a record of each."""
    stubborn = "QUICK_STUBBORN" in os.environ
    signal.signal(signal.SIGINT, signal.SIG_IGN if stubborn else signal.default_int_handler)
    tree().end_with_parent()
    events, log = os.dup(1), os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    job = json.loads(Path(job_file).read_text())
    record = {
        "schema_version": int(version),
        "cell": job["cell"],
        "environment": job["environment"],
        "attempt": job["attempt"],
        "started_at": "2026-11-22T07:34:25+00:00",
        "phases": {},
    }
    file = Path(job["record_file"])
    os.write(events, b'{"event": "start"}\n')
    try:
        go_through(record, file, events)
    except KeyboardInterrupt:
        reason = "Interrupted by the user."
        write(file, {**record, "status": "interrupted", "reason": reason})
    except OSError:
        sys.exit(CANNOT_WRITE)  # as a real one does


def go_through(record: dict[str, Any], file: Path, events: int) -> None:
    """Every phase in turn, then the good end."""
    seconds = float(os.environ.get("QUICK_SECONDS", "0"))
    for phase in PHASES:
        record["phase"] = phase
        write(file, {**record, "status": "running"})
        os.write(events, json.dumps({"event": "phase", "phase": phase}).encode() + b"\n")
        began = time.perf_counter()
        time.sleep(seconds)
        held = {"seconds": time.perf_counter() - began, "memory": {"host_growth_bytes": 2**20}}
        record["phases"][phase] = held
    write(file, {**record, "phase": None, "status": "ok", "seconds": 5 * seconds})


def write(file: Path, record: dict[str, Any]) -> None:
    """Write the record as a whole or not at all."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(record))
    part.replace(file)


def tree() -> Any:
    """The module that ends a process with its parent, without the package around it."""
    spec = spec_from_file_location("tree", ROOT / "llmbench" / "process.py")
    assert spec
    assert spec.loader
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])
