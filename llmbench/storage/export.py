"""Writing a comparison in the formats that are installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from llmbench import plugin
from llmbench.errors import ConfigError, PluginError, StoreError, nearest
from llmbench.files import explained_errors, write_bytes, write_text
from llmbench.plugin.blame import Amiss, blamed, of_kind, ours, wanted, who
from llmbench.plugin.exporter import Exporter, Rendered, file_key
from llmbench.record.comparison import Comparison

DEFAULT = "html"
INNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}")
"""Names of files and folders within an exporter's folder; the ids of cells are such."""
Kinds: Any = str | bytes | Mapping


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
        put(path, rendered(exporter, comparison, directory))
    except StoreError as error:
        if ours("exporter", exporter.id):
            raise
        raise PluginError(f"{who('exporter', exporter.id)} has no file: {error}") from error
    return path


def put(path: Path, content: Rendered) -> None:
    """Write a file, or the files of a folder. What else is in the folder stays."""
    if isinstance(content, str):
        write_text(path, content)
    elif isinstance(content, bytes):
        write_bytes(path, content)
    else:
        for name, part in content.items():
            inner = path / name
            with explained_errors(inner):
                inner.parent.mkdir(parents=True, exist_ok=True)
            put(inner, part)


def rendered(exporter: Exporter, comparison: Comparison, directory: Path | None = None) -> Rendered:
    """What an exporter makes of the comparison; PluginError where that can be no file or folder.

    One of another package gets a copy: what it may do to it is no matter to those after it.
    """
    own = comparison if ours("exporter", exporter.id) else deepcopy(comparison)
    with blamed("exporter", exporter.id, "render"):
        further = wanted(exporter.render, directory=directory)
        content: Rendered = of_kind(exporter.render(own, **further), Kinds, "text, bytes or files")
        for name, part in content.items() if isinstance(content, Mapping) else [("file", content)]:
            if not all(map(INNER.fullmatch, str(name).split("/"))):
                raise Amiss(f"it has a file called {name!r}, which is no name in a folder")
            of_kind(part, str | bytes, "text or bytes")  # type: ignore[arg-type]
            if isinstance(part, str):
                part.encode()
        return content


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
