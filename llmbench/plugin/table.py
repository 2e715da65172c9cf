"""What plugins have registered: a table per kind, by id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from llmbench.errors import CompositionError, ConfigError, PluginError, nearest
from llmbench.exporter import Exporter, file_key
from llmbench.launcher import Launcher
from llmbench.metric import Metric
from llmbench.model import Model
from llmbench.plugin.installed import CHOICE, Source
from llmbench.probe import Probe
from llmbench.strategy import Strategy
from llmbench.task import Task

T = TypeVar("T")


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
    files: Table[Exporter] = field(default_factory=lambda: Table("file"))
    """The exporters by the file that each fills, in the spelling of `file_key`."""
    sources: list[Source] = field(default_factory=list)

    def add(self, hook: str, name: str, item: Any, source: Source) -> None:
        """Register what a plugin offers through a hook."""
        self.tables()[hook].add(name, item, source)
        if isinstance(item, Exporter):
            self.files.add(file_key(item.filename), item, source)

    def tables(self) -> dict[str, Table[Any]]:
        """Hook name to the table that it fills."""
        names = ("strategies", "models", "tasks", "metrics", "probes", "launchers", "exporters")
        return {f"register_{name}": getattr(self, name) for name in names}
