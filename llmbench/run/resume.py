"""What a run does with what an earlier one left in its directory."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence

from llmbench.errors import StoreError
from llmbench.record.record import Record
from llmbench.redact import log
from llmbench.storage.read import read_record
from llmbench.storage.store import Store

FROM_OUTSIDE = frozenset({"interrupted", "killed"})
"""Ends that say nothing of the cell: whoever caused them, it was not the strategy."""


def stands(held: Record, skip: str | None, retry: Sequence[str]) -> bool:
    """Whether a record is a result to keep; if not, its cell is to be run.

    `skip` is why the cell would be skipped now. A cell that was skipped before it started stays
    so for as long as there is a reason; one that found out in its worker, until it is asked for.
    """
    if held.status == "ok":
        return True
    if held.status in retry or "all" in retry:
        return False
    if held.status == "skipped":
        return skip is not None or held.phase is not None
    return held.status not in FROM_OUTSIDE


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
    reason = "llmbench was killed while the cell ran."
    return record.model_copy(update={"status": "killed", "reason": reason})
