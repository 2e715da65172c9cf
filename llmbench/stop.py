"""Being asked to end, told apart from a KeyboardInterrupt that a plugin raises."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


class Stop(KeyboardInterrupt):
    """The user, or in a worker the parent, asks this process to end."""


def heed() -> None:
    """Raise Stop at SIGINT and SIGTERM. Worker.

    Both by name: a shell that starts llmbench in the background has it ignore SIGINT.
    """
    signal.signal(signal.SIGINT, _stop_once)
    signal.signal(signal.SIGTERM, _stop_once)


def heed_ctrl_c() -> None:
    """Raise Stop at Ctrl-C, unless somebody has decided otherwise. Parent."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise Stop


def _stop_once(number: int, frame: FrameType | None) -> NoReturn:
    # Once is enough: a second one would come in the middle of writing the record.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stop
