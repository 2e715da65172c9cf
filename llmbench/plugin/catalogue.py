"""What plugins have registered: a catalogue of each kind, by id."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any, Generic, TypeVar

from llmbench.errors import CompositionError, ConfigError, PluginError, nearest
from llmbench.plugin.command import Command
from llmbench.plugin.exporter import Exporter, file_key
from llmbench.plugin.launcher import Launcher
from llmbench.plugin.listener import Listener
from llmbench.plugin.metric import Metric
from llmbench.plugin.model import Model
from llmbench.plugin.probe import Probe
from llmbench.plugin.section import Section
from llmbench.plugin.strategy import Strategy
from llmbench.plugin.task import Task

GROUP = "llmbench"
"""The entry point group under which a package names its plugin modules."""
CHOICE = "LLMBENCH_PLUGINS"
"""Environment variable: the names of the plugins to load, with commas; unset means all."""


@dataclass(frozen=True)
class Plugin:
    """A plugin: its entry point's name and the distribution that ships it."""

    name: str
    distribution: str
    broken: str | None = None
    """Why it could not be used, in one line; None for a plugin that works."""
    file: Path | None = None
    """The module of `--plugin`, which no distribution ships."""

    @property
    def ours(self) -> bool:
        """Whether llmbench itself ships it."""
        return self.distribution.startswith("llmbench ")


def plugin_of(point: EntryPoint) -> Plugin:
    """The plugin that an entry point names."""
    return Plugin(point.name, describe(point.dist))


def plugin_of_file(file: Path) -> Plugin:
    """The plugin that is a module on its own, whatever its version."""
    if file.stem == "__init__":  # of several packages, all would be called that
        return Plugin(file.parent.name, f"{file.parent.name} (no distribution)", file=file)
    return Plugin(file.stem, f"{file.name} (no distribution)", file=file)


def describe(distribution: Distribution | None) -> str:
    """`llmbench 0.1.0`, or `an unknown package` where the metadata lack a name."""
    with contextlib.suppress(Exception):
        if distribution is not None and distribution.name:
            return _named(distribution)
    return "an unknown package"


@cache
def _named(distribution: Distribution) -> str:
    return f"{distribution.name} {distribution.version}"


def chosen(points: Iterable[EntryPoint]) -> list[EntryPoint]:
    """The entry points to load. Raises PluginError if CHOICE names one that is not installed.

    Our own come first, so that lists read the same whatever else is installed.
    """
    ordered = sorted(points, key=lambda p: (not plugin_of(p).ours, p.name))
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


T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """Something registered, and by whom."""

    item: T
    source: Plugin


@dataclass
class Catalogue(Generic[T]):
    """Everything of one kind, by id."""

    kind: str
    error: type[ConfigError] = ConfigError
    entries: dict[str, Entry[T]] = field(default_factory=dict)
    taken: dict[str, list[Plugin]] = field(default_factory=dict)
    """Ids that more than one plugin registered, and the plugins."""

    def add(self, name: str, item: T, source: Plugin) -> None:
        """Register an item; an id that is taken is noted, and is an error once it is used."""
        entry = self.entries.get(name)
        if entry:
            self.taken.setdefault(name, [entry.source]).append(source)
        else:
            self.entries[name] = Entry(item, source)

    def get(self, name: str) -> T:
        """The item with that id. Raises an error with the nearest names, or with both claimants."""
        if name in self.taken:
            raise PluginError(clash(self.kind, name, self.taken[name]))
        if name not in self.entries:
            raise self.error(f"Unknown {self.kind} '{name}': {nearest(name, self.entries)}")
        return self.entries[name].item

    def spelled(self, name: str) -> str:
        """The id as it is registered where capitals alone differ, else the name as it is."""
        alike = [known for known in self.entries if known.lower() == name.lower()]
        return alike[0] if len(alike) == 1 and name not in self.entries else name

    def items(self) -> dict[str, T]:
        """Every item by id, in the order of registration."""
        return {name: entry.item for name, entry in self.entries.items()}


def clash(kind: str, name: str, sources: list[Plugin]) -> str:
    """The sentence about an id that several plugins registered."""
    who = " and ".join(f"'{s.name}' of {s.distribution}" for s in sources)
    return (
        f"The {kind} '{name}' is registered by {who}: uninstall one of them, "
        f"or name the plugins to load in {CHOICE}."
    )


@dataclass
class Registry:
    """All that the installed plugins offer."""

    strategies: Catalogue[type[Strategy]] = field(
        default_factory=lambda: Catalogue("strategy", CompositionError)
    )
    models: Catalogue[Model] = field(default_factory=lambda: Catalogue("model"))
    tasks: Catalogue[Task] = field(default_factory=lambda: Catalogue("task"))
    metrics: Catalogue[type[Metric]] = field(default_factory=lambda: Catalogue("metric"))
    probes: Catalogue[type[Probe]] = field(default_factory=lambda: Catalogue("probe"))
    launchers: Catalogue[type[Launcher]] = field(default_factory=lambda: Catalogue("launcher"))
    exporters: Catalogue[Exporter] = field(default_factory=lambda: Catalogue("exporter"))
    listeners: Catalogue[type[Listener]] = field(default_factory=lambda: Catalogue("listener"))
    sections: Catalogue[Section] = field(default_factory=lambda: Catalogue("section"))
    commands: Catalogue[Command] = field(default_factory=lambda: Catalogue("command"))
    files: Catalogue[Exporter] = field(default_factory=lambda: Catalogue("file"))
    """The exporters by the file that each fills, in the spelling of `file_key`."""
    plugins: list[Plugin] = field(default_factory=list)

    def add(self, hook: str, name: str, item: Any, source: Plugin) -> None:
        """Register what a plugin offers through a hook."""
        self.catalogues()[hook].add(name, item, source)
        if isinstance(item, Exporter):
            self.files.add(file_key(item.filename), item, source)

    def catalogues(self) -> dict[str, Catalogue[Any]]:
        """Hook name to the catalogue that it fills."""
        names = (
            *("strategies", "models", "tasks", "metrics", "probes", "launchers", "exporters"),
            *("listeners", "sections", "commands"),
        )
        return {f"register_{name}": getattr(self, name) for name in names}

    def needing(self, package: str) -> tuple[str, ...]:
        """The strategies that cannot run without a package."""
        strategies = self.strategies.items().items()
        return tuple(name for name, kind in strategies if package in kind.packages)

    def savers(self, what: str) -> tuple[str, ...]:
        """The strategies that have `weights`, or `activations`, take less memory."""
        known = self.strategies
        return tuple(
            name
            for name, strategy in known.items().items()
            if strategy.saves_memory == what and name not in known.taken
        )

    def complaints(self) -> list[str]:
        """A sentence for each plugin that is left out, and each id or file that several claim."""
        left_out = [
            f"The plugin '{s.name}' of {s.distribution} is left out ({s.broken}): "
            "repair or uninstall it."
            for s in self.plugins
            if s.broken
        ]
        clashes = [
            clash(catalogue.kind, name, sources)
            for catalogue in (*self.catalogues().values(), self.files)
            for name, sources in catalogue.taken.items()
        ]
        return left_out + clashes
