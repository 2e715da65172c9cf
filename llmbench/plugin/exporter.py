"""An exporter: writes a comparison in a format of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


OURS = frozenset({"comparison.json", "records", "logs", "data"})
"""What else llmbench keeps in the output directory; all that starts with a dot besides."""


Rendered = str | bytes | Mapping[str, str | bytes]
"""A file as text or bytes, or a folder: its files by their names, with `/` between folders."""


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
    """The file that it fills, or the folder, a name without a folder before it."""
    render: Callable[..., Rendered]
    """What is in it: text, bytes, or the files of a folder by their names. It is a function of the
    comparison, and may name `directory` as well, where that lies; llmbench does the writing."""
    always: bool = True
    """Whether every output directory gets the file, or only who asks for it."""
    printed: bool = True
    """Whether it goes to standard output when it is asked for, and no file is named."""
