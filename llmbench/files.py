"""Writing files so that a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from llmbench.errors import StoreError

TEMPORARY = ".llmbench"
"""How the name of a file ends that is not whole yet."""


def write_text(path: Path, text: str) -> None:
    """Write a text so that a reader sees the old one or the new one, never a part."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    with explained_errors(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


def version(path: Path) -> tuple[int, ...]:
    """What changes when a file is written anew: its inode, time and size."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


@contextlib.contextmanager
def explained_errors(path: Path) -> Iterator[None]:
    """Turn what keeps a file from being written into a sentence."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        way_out = "make room there" if full else "see why"
        raise StoreError(
            f"Cannot write '{path.name}' in '{path.parent}' ({error.strerror}): {way_out}, "
            "or name another directory with --output."
        ) from error
