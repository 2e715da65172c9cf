"""Finding plugins, and what they register.

Each plugin is imported and asked on its own: one that is broken is named, with its distribution,
and everything else works.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from llmbench.errors import PluginError, Stop
from llmbench.plugin import hookspecs, shape
from llmbench.plugin import table as installed
from llmbench.plugin.exporter import OURS, Exporter, file_key
from llmbench.plugin.shape import contained, reason
from llmbench.plugin.table import Entry, Registry, Source, Table, clash
from llmbench.redact import secret

__all__ = ["Entry", "Registry", "Source", "Table", "clash", "load", "reason", "registry"]

Staged = dict[str, list[tuple[str, Any]]]
"""What one plugin wants to register: items with their ids, by hook."""


@cache
def registry() -> Registry:
    """What is installed, looked up once per process."""
    found = load(installed.chosen(entry_points(group=installed.GROUP)))
    for table in found.tables().values():
        secret.leave(table.entries)
    return found


def load(points: list[EntryPoint]) -> Registry:
    """Import each plugin and let it register; a broken one is noted in `sources`."""
    manager = pluggy.PluginManager("llmbench")
    manager.add_hookspecs(hookspecs)
    found = Registry()
    for point in points:
        found.sources.append(_load_one(manager, point, found))
    return found


def _load_one(manager: pluggy.PluginManager, point: EntryPoint, found: Registry) -> Source:
    source = installed.source(point)
    try:
        with contained():
            staged = _ask(manager, _imported(point))
        _refuse_shared(staged)
        _refuse_ours(staged, found, source)
    except Stop:
        raise
    except BaseException as error:  # a plugin may do anything; it must not take us down
        return Source(source.name, source.distribution, reason(error))
    for hook, items in staged.items():
        for name, item in items:
            found.add(hook, name, item, source)
    return source


def _imported(point: EntryPoint) -> object:
    if not point.pattern.match(point.value):
        raise PluginError(f"its entry point is '{point.value}', which names no module")
    return point.load()


def _ask(manager: pluggy.PluginManager, plugin: object) -> Staged:
    """Call one plugin's hooks; what it registers counts only once all of them have worked."""
    staged: Staged = {}
    manager.register(plugin)
    try:
        manager.check_pending()  # a misspelt hook would never be called
        for hook, kind in shape.KINDS.items():
            staged[hook] = []
            returned = getattr(manager.hook, hook)(register=_collector(staged[hook], kind))
            if returned:
                raise PluginError(f"its {hook} returns something instead of calling register")
    finally:
        manager.unregister(plugin)  # the next one is asked alone
    return staged


def _collector(into: list[tuple[str, Any]], kind: type) -> Callable[[Any], None]:
    def register(item: Any) -> None:
        name = shape.checked(item, kind)
        if name in dict(into):
            raise PluginError(f"it registers '{name}' twice")
        into.append((name, item))

    return register


def _refuse_ours(staged: Staged, found: Registry, source: Source) -> None:
    """PluginError where a plugin of another package takes an id, or a file, of llmbench's own."""
    if source.ours:
        return
    for hook, items in staged.items():
        table = found.tables()[hook]
        for name, item in items:
            if _held_by_us(table, name):
                raise PluginError(f"it registers the {table.kind} '{name}', which is llmbench's")
            if isinstance(item, Exporter) and _file_of_ours(item.filename, found):
                raise PluginError(f"it writes '{item.filename}', which is llmbench's")


def _held_by_us(table: Table[Any], name: str) -> bool:
    held = table.entries.get(name)
    return held is not None and held.source.ours


def _file_of_ours(filename: str, found: Registry) -> bool:
    key = file_key(filename)
    return key in OURS or _held_by_us(found.files, key)


def _refuse_shared(staged: Staged) -> None:
    """PluginError where two exporters of one plugin fill the same file."""
    names = [e.filename for _, e in staged["register_exporters"]]
    keys = [file_key(n) for n in names]
    for name, key in zip(names, keys, strict=True):
        if keys.count(key) > 1:
            raise PluginError(f"two of its exporters write '{name}'")
