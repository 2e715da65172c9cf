"""Writing a comparison in the formats that are installed."""

from __future__ import annotations

from pathlib import Path

from llmbench.errors import ConfigError, nearest
from llmbench.exporter import Exporter
from llmbench.plugin import registry
from llmbench.store import Comparison, write_text

DEFAULT = "html"


def export(comparison: Comparison, directory: Path) -> list[Path]:
    """Render and write the file of each format that every directory has; returns the paths."""
    written = []
    for exporter in registry().exporters.items().values():
        if exporter.always:
            path = directory / exporter.filename
            write_text(path, exporter.render(comparison))
            written.append(path)
    return written


def chosen(form: str | None, output: str | None) -> Exporter:
    """The exporter by that id, or by the suffix of the file that is to be written."""
    exporters = registry().exporters
    suffix = Path(output).suffix if output and output != "-" else ""
    if form or not suffix:
        return exporters.get(form or DEFAULT)
    by_suffix = {Path(e.filename).suffix: e for e in reversed(exporters.items().values())}
    if suffix not in by_suffix:
        raise ConfigError(
            f"No format is known by the suffix of '{output}' ({nearest(suffix, by_suffix)[:-1]}): "
            "say which with --format."
        )
    return by_suffix[suffix]
