"""What the exit status of a command says."""

from __future__ import annotations

from collections.abc import Sequence

OK = 0
SOME_FAILED = 1
USAGE = 2
INTERNAL = 3
NOTHING_RAN = 4
INTERRUPTED = 130


def of(statuses: Sequence[str]) -> int:
    """The exit status of a comparison whose cells have these statuses."""
    ran = [s for s in statuses if s != "skipped"]
    if not ran:
        return NOTHING_RAN
    return OK if all(s == "ok" for s in ran) else SOME_FAILED
