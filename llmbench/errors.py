"""Every error that a user can cause. Each message is one sentence and a way out.

`llmbench.cli.main` catches `UserError` and nothing else: whatever is not in this tree is a bug
and shows its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from llmbench.stop import Stop


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
