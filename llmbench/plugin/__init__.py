"""Finding plugins, and what they register.

Each plugin is imported and asked on its own: one that is broken is named, with its distribution,
and everything else works.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from llmbench.errors import PluginError, Stop
from llmbench.plugin import hookspecs, shape
from llmbench.plugin.catalogue import (
    GROUP,
    Catalogue,
    Entry,
    Plugin,
    Registry,
    chosen,
    clash,
    plugin_of,
    plugin_of_file,
)
from llmbench.plugin.exporter import OURS, Exporter, file_key
from llmbench.plugin.shape import contained, reason
from llmbench.redact import secret

__all__ = [
    "Entry",
    "Registry",
    "Source",
    "Table",
    "clash",
    "files",
    "include",
    "load",
    "reason",
    "registry",
]

Offers = dict[str, list[tuple[str, Any]]]
"""What one plugin wants to register: items with their ids, by hook."""


@cache
def registry() -> Registry:
    """What is installed, looked up once per process."""
    installed = load(chosen(entry_points(group=GROUP)))
    for catalogue in installed.catalogues().values():
        secret.leave(catalogue.entries)
    return installed


def load(points: list[EntryPoint]) -> Registry:
    """Import each plugin and let it register; a broken one is noted in `plugins`."""
    loaded = Registry()
    for point in points:
        _load_one(plugin_of(point), partial(_imported, point), loaded)
    return loaded


def include(file: Path) -> Plugin:
    """Load a module that no distribution ships, as `--plugin` does, beside what is installed.

    It counts for this process alone: a job tells its worker to do the same. PluginError where it
    cannot be used. A file that has been included is left alone.
    """
    path, loaded = file.resolve(), registry()
    known = next((p for p in loaded.plugins if p.file == path), None)
    plugin = known or _load_one(plugin_of_file(path), partial(_executed, path), loaded)
    if plugin.broken:
        raise PluginError(
            f"The plugin '{file}' cannot be used ({plugin.broken}): "
            "repair it, or leave --plugin out."
        )
    for catalogue in loaded.catalogues().values():
        secret.leave(catalogue.entries)
    return plugin


def files() -> tuple[Path, ...]:
    """The modules that were included; a job names them to its worker."""
    return tuple(p.file for p in registry().plugins if p.file)


def _load_one(plugin: Plugin, module: Callable[[], object], loaded: Registry) -> Plugin:
    """Have one plugin register what it offers, or note what is wrong with it."""
    manager = pluggy.PluginManager("llmbench")
    manager.add_hookspecs(hookspecs)
    try:
        with contained():
            offers = _ask(manager, module())
        _refuse_shared(offers)
        _refuse_ours(offers, loaded, plugin)
    except Stop:
        raise
    except BaseException as error:  # a plugin may do anything; it must not take us down
        plugin, offers = replace(plugin, broken=reason(error)), {}
    loaded.plugins.append(plugin)
    for hook, items in offers.items():
        for name, item in items:
            loaded.add(hook, name, item, plugin)
    return plugin


def _imported(point: EntryPoint) -> object:
    if not point.pattern.match(point.value):
        raise PluginError(f"its entry point is '{point.value}', which names no module")
    return point.load()


def _executed(path: Path) -> object:
    """The module of a file, under a name that no installed one has."""
    name = f"plugin_file_{path.stem}_{len(registry().plugins)}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError("it is no Python file: its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pydantic looks up the types of options
    spec.loader.exec_module(module)
    return module


def _ask(manager: pluggy.PluginManager, module: object) -> Offers:
    """Call one plugin's hooks; what it registers counts only once all of them have worked."""
    offers: Offers = {}
    _refuse_version(getattr(module, "LLMBENCH_HOOKS", hookspecs.VERSION))
    manager.register(module)
    try:
        manager.check_pending()  # a misspelt hook would never be called
        for hook, kind in shape.KINDS.items():
            offers[hook] = []
            returned = getattr(manager.hook, hook)(register=_collector(offers[hook], kind))
            if returned:
                raise PluginError(f"its {hook} returns something instead of calling register")
    finally:
        manager.unregister(module)  # the next one is asked alone
    return offers


def _refuse_version(made_for: object) -> None:
    """PluginError where a plugin is made for hooks of another version than these."""
    ours = hookspecs.VERSION
    if not isinstance(made_for, int):
        raise PluginError(f"its LLMBENCH_HOOKS is {made_for!r}: write the version, {ours}, there")
    if made_for != ours:
        older = "llmbench" if made_for > ours else "the plugin"
        raise PluginError(
            f"it is made for version {made_for} of the hooks, and this llmbench has {ours}: "
            f"upgrade {older}"
        )


def _collector(into: list[tuple[str, Any]], kind: type) -> Callable[[Any], None]:
    def register(item: Any) -> None:
        name = shape.checked(item, kind)
        if name in dict(into):
            raise PluginError(f"it registers '{name}' twice")
        into.append((name, item))

    return register


def _refuse_ours(offers: Offers, loaded: Registry, plugin: Plugin) -> None:
    """PluginError where a plugin of another package takes an id, or a file, of llmbench's own."""
    if plugin.ours:
        return
    for hook, items in offers.items():
        catalogue = loaded.catalogues()[hook]
        for name, item in items:
            if _is_ours(catalogue, name):
                raise PluginError(
                    f"it registers the {catalogue.kind} '{name}', which is llmbench's"
                )
            if isinstance(item, Exporter) and _file_of_ours(item.filename, loaded):
                raise PluginError(f"it writes '{item.filename}', which is llmbench's")


def _is_ours(catalogue: Catalogue[Any], name: str) -> bool:
    entry = catalogue.entries.get(name)
    return entry is not None and entry.source.ours


def _file_of_ours(filename: str, loaded: Registry) -> bool:
    key = file_key(filename)
    return key in OURS or _is_ours(loaded.files, key)


def _refuse_shared(offers: Offers) -> None:
    """PluginError where two exporters of one plugin fill the same file."""
    names = [e.filename for _, e in offers["register_exporters"]]
    keys = [file_key(n) for n in names]
    for name, key in zip(names, keys, strict=True):
        if keys.count(key) > 1:
            raise PluginError(f"two of its exporters write '{name}'")
