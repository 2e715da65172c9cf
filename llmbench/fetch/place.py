"""A path that somebody typed, whatever it is that they typed."""

from __future__ import annotations

from pathlib import Path


def found(name: str) -> Path | None:
    """The file or folder of that name; None where there is none, or can be none.

    A name may be too long for any file, or in the home directory of a user that there is not.
    """
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):
        return None


def is_path(name: str) -> bool:
    """Whether a name that is no hub id can only mean a file or a folder."""
    return name.startswith((".", "~")) or "/" in name or "\\" in name
