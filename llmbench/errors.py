"""Everything that ends a command early: mistakes, Ctrl-C, and the exit status of each."""

from __future__ import annotations

import difflib
import re
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import FrameType
from typing import Any, NoReturn

AGAIN_SECONDS = 0.01
"""How long after a Stop that was lost the next one comes."""


class Stop(KeyboardInterrupt):
    """The user, or in a worker the parent, asks this process to end."""


def heed() -> None:
    """Raise Stop at SIGINT and SIGTERM. Worker.

    Both by name: a shell that starts llmbench in the background has it ignore SIGINT, and what
    Ray starts has it blocked. One that Python has to drop, since it comes in a finaliser or in a
    callback of a weak reference or the garbage collector, is raised again soon.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    signal.signal(signal.SIGINT, _stop_once)
    signal.signal(signal.SIGTERM, _stop_once)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _stop_once)
        sys.unraisablehook = _stop_again


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


def _stop_again(dropped: sys.UnraisableHookArgs) -> None:
    # A timer, as what is raised here would be dropped likewise.
    if isinstance(dropped.exc_value, Stop):
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    else:
        sys.__unraisablehook__(dropped)


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


def message(error: BaseException) -> str:
    """What an error says; nothing where it cannot even say that, as those of others may."""
    try:
        return str(error)
    except Stop:
        raise
    except BaseException:
        return ""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known ones, or all of them.

    Capitals do not matter, and initials are as near as can be: `lr` means `learning-rate`.
    """
    names = sorted(known)
    lowered = name.lower()
    close = [n for n in names if lowered in (n.lower(), _initials(n))]
    if not close:
        by_lower = {n.lower(): n for n in names}
        near = difflib.get_close_matches(lowered, by_lower, n=3, cutoff=0.5)
        close = [by_lower[n] for n in near]
    if close:
        return "did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    return "known are: " + ", ".join(names) + "." if names else "none is installed."


def _initials(name: str) -> str:
    words = [word for word in re.split(r"[-_ ]", name.lower()) if word]
    return "".join(word[0] for word in words) if len(words) > 1 else ""


def wrong(details: Mapping[str, Any]) -> str:
    """The end of a sentence about a value that cannot be, from what pydantic tells of it."""
    limits, kind = details.get("ctx", {}), details["type"]
    if kind == "literal_error":
        meant = re.search(re.escape(f"'{details['input']}'"), limits["expected"], re.IGNORECASE)
        return f"did you mean {meant[0]}?" if meant else f"give {limits['expected']}."
    if kind == "value_error":
        return f"{details['msg'].removeprefix('Value error, ').rstrip('.')}."
    for end, sentence in ASKED.items():
        if kind.endswith(end):
            return sentence.format(**limits)
    return f"{details['msg'][0].lower()}{details['msg'][1:]}."


ASKED = {
    "greater_than_equal": "give {ge} or more.",
    "greater_than": "give more than {gt}.",
    "less_than_equal": "give {le} or less.",
    "less_than": "give less than {lt}.",
    "finite_number": "give a finite number.",
    "too_short": "give at least {min_length}.",
    "too_long": "give at most {max_length}.",
    "int_from_float": "give a whole number.",
    **dict.fromkeys(("int_parsing", "int_type", "int_parsing_size"), "give a whole number."),
    **dict.fromkeys(("float_parsing", "float_type"), "give a number."),
    **dict.fromkeys(("bool_parsing", "bool_type"), "give true or false."),
    "string_type": "give a text.",
}
"""What to do instead, by how the type of pydantic's error ends."""


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
