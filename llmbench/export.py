"""Writing a comparison in every format that is installed."""

from __future__ import annotations

from pathlib import Path

from llmbench.plugin import registry
from llmbench.store import Comparison, write_text


def export(comparison: Comparison, directory: Path) -> list[Path]:
    """Render and write each format's file; returns the paths."""
    written = []
    for exporter in registry().exporters.items().values():
        path = directory / exporter.filename
        write_text(path, exporter.render(comparison))
        written.append(path)
    return written
