"""Everything that ends a command early: mistakes, Ctrl-C, and the exit status of each."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable, Sequence
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


class CellEnded(Exception):
    """Raised in a worker where the cell ends for a reason of its own, which is nobody's fault."""


class UserError(Exception):
    """Something the user can put right; the command line prints it and exits with 2."""

    def __str__(self) -> str:
        """One line, whatever is quoted in it: names may hold line breaks, or move the cursor."""
        text = super().__str__()
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class ConfigError(UserError):
    """An option, or a combination of options, that cannot be."""


class CompositionError(ConfigError):
    """A composition that is misspelt, or whose members exclude each other."""


class PluginError(UserError):
    """A plugin that is broken, or that registers an id which is taken."""


class DataError(UserError):
    """Data that cannot be read, or that lacks what the task needs."""


class ModelError(UserError):
    """A model that cannot be found or loaded."""


class StoreError(UserError):
    """An output directory that cannot be written, or a record that cannot be read."""


class BusyError(UserError):
    """A directory or a GPU that somebody else uses."""


def words(error: BaseException) -> str:
    """What an error says; nothing where it cannot even say that, as those of others may."""
    try:
        return str(error)
    except Stop:
        raise
    except BaseException:
        return ""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known ones, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    return "known are: " + ", ".join(names) + "." if names else "none is installed."


OK = 0
SOME_FAILED = 1
USAGE = 2
INTERNAL = 3
NOTHING_RAN = 4
INTERRUPTED = 130


def exit_status(statuses: Sequence[str]) -> int:
    """The exit status of a comparison whose cells have these statuses."""
    ran = [s for s in statuses if s != "skipped"]
    if not ran:
        return NOTHING_RAN
    return OK if all(s == "ok" for s in ran) else SOME_FAILED
