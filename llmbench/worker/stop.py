"""Being asked to end, told apart from a KeyboardInterrupt that somebody else raises."""

from __future__ import annotations

import signal
from types import FrameType


class Stop(KeyboardInterrupt):
    """The parent, or the user, asks this worker to end."""


def heed() -> None:
    """Raise Stop at SIGINT and SIGTERM.

    Both by name: a shell that starts llmbench in the background has it ignore SIGINT.
    """
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    # Once is enough: a second one would come in the middle of writing the record.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stop
