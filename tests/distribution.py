"""Distributions for tests: a module with an entry point, in a folder for PYTHONPATH."""

from __future__ import annotations

import os
from pathlib import Path


def install(folder: Path, name: str, source: str) -> Path:
    """Write a plugin of that name, as pip would install it; returns the folder."""
    (folder / f"{name}.py").write_text(source)
    described = folder / f"{name}-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(f"[llmbench]\n{name} = {name}\n")
    return folder


def environment(*folders: Path) -> dict[str, str]:
    """The environment of a process that finds what is installed there."""
    path = [str(folder) for folder in folders]
    path += [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
