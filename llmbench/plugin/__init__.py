"""Finding plugins, and what they register.

Each plugin is imported and asked on its own: one that is broken is named, with its distribution,
and everything else works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import pluggy

from llmbench import hookspecs, redact
from llmbench.errors import CompositionError, ConfigError, PluginError, nearest, words
from llmbench.exporter import Exporter
from llmbench.launcher import Launcher
from llmbench.metric import Metric
from llmbench.model import Model
from llmbench.plugin import installed, shape
from llmbench.plugin.contain import contained
from llmbench.plugin.installed import CHOICE, Source
from llmbench.probe import Probe
from llmbench.stop import Stop
from llmbench.strategy import Strategy
from llmbench.task import Task

T = TypeVar("T")
Staged = dict[str, list[tuple[str, Any]]]
"""What one plugin wants to register: items with their ids, by hook."""


@dataclass(frozen=True)
class Entry(Generic[T]):
    """Something registered, and by whom."""

    item: T
    source: Source


@dataclass
class Table(Generic[T]):
    """Everything of one kind, by id."""

    kind: str
    error: type[ConfigError] = ConfigError
    entries: dict[str, Entry[T]] = field(default_factory=dict)
    taken: dict[str, list[Source]] = field(default_factory=dict)
    """Ids that more than one plugin registered, and the plugins."""

    def add(self, name: str, item: T, source: Source) -> None:
        """Register an item; an id that is taken is noted, and is an error once it is used."""
        held = self.entries.get(name)
        if held:
            self.taken.setdefault(name, [held.source]).append(source)
        else:
            self.entries[name] = Entry(item, source)

    def get(self, name: str) -> T:
        """The item of that id; an error with the nearest names, or with both who claim it."""
        if name in self.taken:
            raise PluginError(clash(self.kind, name, self.taken[name]))
        if name not in self.entries:
            raise self.error(f"Unknown {self.kind} '{name}': {nearest(name, self.entries)}")
        return self.entries[name].item

    def items(self) -> dict[str, T]:
        """Every item by id, in the order of registration."""
        return {name: entry.item for name, entry in self.entries.items()}


def clash(kind: str, name: str, sources: list[Source]) -> str:
    """The sentence about an id that several plugins registered."""
    who = " and ".join(f"'{s.name}' of {s.distribution}" for s in sources)
    return (
        f"The {kind} '{name}' is registered by {who}: uninstall one of them, "
        f"or name the plugins to load in {CHOICE}."
    )


@dataclass
class Registry:
    """All that the installed plugins offer."""

    strategies: Table[type[Strategy]] = field(
        default_factory=lambda: Table("strategy", CompositionError)
    )
    models: Table[Model] = field(default_factory=lambda: Table("model"))
    tasks: Table[Task] = field(default_factory=lambda: Table("task"))
    metrics: Table[type[Metric]] = field(default_factory=lambda: Table("metric"))
    probes: Table[type[Probe]] = field(default_factory=lambda: Table("probe"))
    launchers: Table[type[Launcher]] = field(default_factory=lambda: Table("launcher"))
    exporters: Table[Exporter] = field(default_factory=lambda: Table("exporter"))
    sources: list[Source] = field(default_factory=list)

    def tables(self) -> dict[str, Table[Any]]:
        """Hook name to the table that it fills."""
        names = ("strategies", "models", "tasks", "metrics", "probes", "launchers", "exporters")
        return {f"register_{name}": getattr(self, name) for name in names}


@cache
def registry() -> Registry:
    """What is installed, looked up once per process."""
    return load(installed.chosen(entry_points(group=installed.GROUP)))


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
        _refuse_ours(staged, found, source)
    except Stop:
        raise
    except BaseException as error:  # a plugin may do anything; it must not take us down
        return Source(source.name, source.distribution, reason(error))
    for hook, items in staged.items():
        for name, item in items:
            found.tables()[hook].add(name, item, source)
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
    files = {e.item.filename for e in found.exporters.entries.values() if e.source.ours}
    for hook, items in staged.items():
        table = found.tables()[hook]
        for name, item in items:
            held = table.entries.get(name)
            if held and held.source.ours:
                raise PluginError(f"it registers the {table.kind} '{name}', which is llmbench's")
            if isinstance(item, Exporter) and item.filename in files:
                raise PluginError(f"it writes '{item.filename}', which is llmbench's")


def reason(error: BaseException) -> str:
    """What a plugin did wrong, in one line."""
    lines = [line.strip() for line in words(error).splitlines() if line.strip()]
    if isinstance(error, pluggy.PluginValidationError) and lines:
        # Of several lines the last says what is wrong, and then in which file.
        said = redact.text(lines[-1].partition(" in plugin ")[0])
        return f"{said}: it may be made for another version of llmbench"
    name = "" if isinstance(error, PluginError) else type(error).__name__
    return redact.text(": ".join(filter(None, [name, *lines[:1]]))).rstrip(".")
