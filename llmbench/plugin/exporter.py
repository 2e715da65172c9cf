"""An exporter: writes a comparison in a format of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmbench.record.comparison import Comparison


OURS = frozenset({"comparison.json", "records", "logs", "data"})
"""What else llmbench keeps in the output directory; all that starts with a dot besides."""


def file_key(filename: str) -> str:
    """The name as file systems compare it that do not tell capitals from small letters."""
    return filename.casefold()


@dataclass(frozen=True)
class Exporter:
    """A format, the file that it fills in the output directory, and the function that renders."""

    id: str
    """As typed after `llmbench report --format`."""
    summary: str
    """One line for `llmbench list exporters`."""
    filename: str
    """The file that it fills, a name without a folder."""
    render: Callable[[Comparison], str]
    """The file's text, a pure function of the comparison."""
    always: bool = True
    """Whether every output directory gets the file, or only who asks for it."""
    printed: bool = True
    """Whether it goes to standard output when it is asked for, and no file is named."""
