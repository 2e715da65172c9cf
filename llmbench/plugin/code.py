"""The code of a plugin as a digest: edited code must not pass for what gave earlier results."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import Any

BASES = frozenset({"llmbench", "pydantic", "abc", "builtins", "typing"})
"""Packages whose classes are everybody's: versions tell which they are."""
MOST_FILES = 500
"""Of a package; of one with more, only the modules that define the plugin's classes count."""
DIGITS = 12


def digest(item: Any) -> str:
    """A digest of the source of a plugin's class, or an instance's, in hexadecimal.

    Of all Python files of the package that defines it, and of those that define its base classes,
    as far as they are not llmbench's own harness. Empty where there is no source.
    """
    kind = item if isinstance(item, type) else type(item)
    modules = {k.__module__ for k in kind.__mro__ if k.__module__.partition(".")[0] not in BASES}
    total = hashlib.sha256()
    paths = sorted({path for module in modules for path in _files(module)})
    for path in paths:
        total.update(path.name.encode() + b"\0" + _content(path) + b"\0")
    return total.hexdigest()[:DIGITS] if paths else ""


@cache
def _files(name: str) -> tuple[Path, ...]:
    """The Python files of the package that a module is in, or the module's own."""
    own = _source(name)
    top = _source(name.partition(".")[0])
    if top is not None and top.name == "__init__.py":
        whole = tuple(sorted(top.parent.rglob("*.py")))
        if len(whole) <= MOST_FILES:
            return whole
    return (own,) if own else ()


def _source(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file) if isinstance(file, str) and file.endswith(".py") else None


@cache
def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it was removed after it was imported
        return b""
