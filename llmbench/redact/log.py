"""Logs, which libraries write to directly, and which are redacted once they are whole."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from llmbench.redact import redactor
from llmbench.redact.secret import BEGIN, END

MARKS = re.compile(f"{BEGIN}|{END}".encode())
MOST_KEY_BYTES = 2**16
"""A private key that has not ended after so many bytes is not taken for one."""
TEMPORARY = ".redacted"


def clean(path: Path) -> None:
    """Redact a log in place; one that holds nothing to take out is left as it is."""
    by, changed = redactor(), False
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    with contextlib.suppress(OSError):
        with path.open("rb") as lines, temporary.open("wb") as copy:
            for piece in pieces(lines):
                # Bytes that are not UTF-8 are kept.
                redacted = by.text(piece.decode(errors="surrogateescape"))
                content = redacted.encode(errors="surrogateescape")
                changed |= content != piece
                copy.write(content)
        if changed:
            temporary.replace(path)
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a log, those of a private key as one."""
    piece, size, inside = [], 0, False
    for line in lines:
        marks = MARKS.findall(line)
        inside = b"BEGIN" in marks[-1] if marks else inside
        piece.append(line)
        size += len(line)
        if not inside or size > MOST_KEY_BYTES:
            yield b"".join(piece)
            piece, size, inside = [], 0, False
    if piece:
        yield b"".join(piece)
