"""Keeping what others print off standard output, which a program may be reading."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Have what is printed go to standard error, also by a child process or past `sys.stdout`.

    Afterwards both streams are what they were, even if the block has closed them.
    """
    with _restored("stdout", 1), _restored("stderr", 2):
        with contextlib.suppress(OSError):  # there is no standard error: leave it where it was
            os.dup2(2, 1)
        yield


@contextlib.contextmanager
def _restored(name: str, number: int) -> Iterator[None]:
    stream: TextIO | None = getattr(sys, name)
    _flush(stream)
    try:
        kept = os.dup(number)
    except OSError:  # llmbench was started without it
        yield
        return
    try:
        yield
    finally:
        _flush(stream)
        # What the block put there goes first: where it is the last to hold it, it closes our file.
        setattr(sys, name, None)
        os.dup2(kept, number)
        os.close(kept)
        if not _usable(stream):
            stream = _opened(number)
            setattr(sys, f"__{name}__", stream)
        setattr(sys, name, stream)


def _flush(stream: TextIO | None) -> None:
    with contextlib.suppress(OSError, ValueError):  # a full disk, a closed stream
        if stream is not None:
            stream.flush()


def _usable(stream: TextIO | None) -> bool:
    try:
        return stream is None or not stream.closed
    except ValueError:  # its buffer was taken away
        return False


def _opened(number: int) -> TextIO:
    return open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
