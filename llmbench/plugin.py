"""Finding plugins, and what they register.

Each plugin is imported and asked on its own: one that is broken is named, with its distribution,
and everything else works.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import pluggy

from llmbench import hookspecs
from llmbench.errors import CompositionError, ConfigError, PluginError, nearest
from llmbench.exporter import Exporter
from llmbench.launcher import Launcher
from llmbench.metric import Metric
from llmbench.model import Model
from llmbench.probe import Probe
from llmbench.strategy import Strategy
from llmbench.task import Task

GROUP = "llmbench"
"""The entry point group under which a package names its plugin modules."""
CHOICE = "LLMBENCH_PLUGINS"
"""Environment variable: the names of the plugins to load, with commas; unset means all."""

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """A plugin: its entry point's name and the distribution that ships it."""

    name: str
    distribution: str
    broken: str | None = None
    """Why it could not be used; None for a plugin that works."""


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
    return load(_chosen(entry_points(group=GROUP)))


def load(points: list[EntryPoint]) -> Registry:
    """Import each plugin and let it register; a broken one is noted in `sources`."""
    manager = pluggy.PluginManager("llmbench")
    manager.add_hookspecs(hookspecs)
    found = Registry()
    for point in points:
        found.sources.append(_load_one(manager, point, found))
    return found


def _load_one(manager: pluggy.PluginManager, point: EntryPoint, found: Registry) -> Source:
    source = Source(point.name, _describe(point.dist) if point.dist else "an unknown package")
    try:
        staged = _ask(manager, point.load(), source)
    except (Exception, SystemExit) as error:  # a plugin may do anything; it must not take us down
        return Source(source.name, source.distribution, f"{type(error).__name__}: {error}")
    for hook, items in staged.items():
        for name, item in items:
            found.tables()[hook].add(name, item, source)
    return source


@cache
def _describe(distribution: Distribution) -> str:
    return f"{distribution.name} {distribution.version}"


def _ask(
    manager: pluggy.PluginManager, plugin: object, source: Source
) -> dict[str, list[tuple[str, Any]]]:
    """Call one plugin's hooks; what it registers counts only once all of them have worked."""
    staged: dict[str, list[tuple[str, Any]]] = {}
    manager.register(plugin)
    try:
        manager.check_pending()  # a misspelt hook would never be called
        for hook, kind in KINDS.items():
            staged[hook] = []
            getattr(manager.hook, hook)(register=_collector(staged[hook], kind, source))
    finally:
        manager.unregister(plugin)  # the next one is asked alone
    return staged


def _collector(into: list[tuple[str, Any]], kind: type, source: Source) -> Callable[[Any], None]:
    def register(item: Any) -> None:
        fits = issubclass(item, kind) if isinstance(item, type) else isinstance(item, kind)
        name = getattr(item, "id", None)
        if not fits or not isinstance(name, str) or not name:
            raise PluginError(
                f"'{source.name}' registers {item!r}, which is no {kind.__name__} with an id."
            )
        into.append((name, item))

    return register


KINDS: dict[str, type] = {
    "register_strategies": Strategy,
    "register_models": Model,
    "register_tasks": Task,
    "register_metrics": Metric,
    "register_probes": Probe,
    "register_launchers": Launcher,
    "register_exporters": Exporter,
}


def _ours(point: EntryPoint) -> bool:
    return point.dist is not None and _describe(point.dist).startswith("llmbench ")


def _chosen(points: Any) -> list[EntryPoint]:
    # Our own plugins come first, so that lists read the same whatever else is installed.
    ordered = sorted(points, key=lambda p: (not _ours(p), p.name))
    wanted = os.environ.get(CHOICE)
    if wanted is None:
        return ordered
    names = {n.strip() for n in wanted.split(",") if n.strip()}
    unknown = names - {p.name for p in ordered}
    if unknown:
        name = sorted(unknown)[0]
        raise PluginError(
            f"{CHOICE} names '{name}', which is not installed: "
            + nearest(name, [p.name for p in ordered])
        )
    return [p for p in ordered if p.name in names]
