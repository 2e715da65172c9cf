"""Writing a comparison in the formats that are installed."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

from llmbench import plugin
from llmbench.errors import ConfigError, PluginError, StoreError, nearest
from llmbench.files import write_text
from llmbench.plugin.blame import blamed, of_kind, ours, who
from llmbench.plugin.exporter import Exporter, file_key
from llmbench.record.comparison import Comparison

DEFAULT = "html"


class Written(NamedTuple):
    """The files that were written, and a sentence for each that a plugin could not render."""

    paths: list[Path]
    problems: list[str]


def export(comparison: Comparison, directory: Path) -> Written:
    """Render and write the file of each format that every directory has."""
    written = Written([], [])
    for exporter in plugin.registry().files.items().values():
        if exporter.always:
            try:
                written.paths.append(write(exporter, comparison, directory))
            except PluginError as error:
                written.problems.append(f"{error} '{exporter.filename}' is left out.")
    return written


def write(exporter: Exporter, comparison: Comparison, directory: Path) -> Path:
    """Fill the file of a format; PluginError where that fails, or where others claim the same.

    A StoreError for a file of llmbench's own: then the directory is at fault, and no format.
    """
    plugin.registry().exporters.get(exporter.id)
    plugin.registry().files.get(file_key(exporter.filename))
    path = directory / exporter.filename
    try:
        write_text(path, rendered(exporter, comparison))
    except StoreError as error:
        if ours("exporter", exporter.id):
            raise
        raise PluginError(f"{who('exporter', exporter.id)} has no file: {error}") from error
    return path


def rendered(exporter: Exporter, comparison: Comparison) -> str:
    """What an exporter makes of the comparison; PluginError where that is no text.

    One of another package gets a copy: what it may do to it is no matter to those after it.
    """
    own = comparison if ours("exporter", exporter.id) else deepcopy(comparison)
    with blamed("exporter", exporter.id, "render"):
        text: str = of_kind(exporter.render(own), str, "text")
        text.encode()
        return text


def chosen(form: str | None, output: str | None) -> Exporter:
    """The exporter by that id, or by the suffix of the file that is to be written."""
    exporters = plugin.registry().exporters
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
