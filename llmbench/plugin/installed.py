"""Which plugins are installed: entry points, and the distributions that ship them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint

from llmbench.errors import PluginError, nearest

GROUP = "llmbench"
"""The entry point group under which a package names its plugin modules."""
CHOICE = "LLMBENCH_PLUGINS"
"""Environment variable: the names of the plugins to load, with commas; unset means all."""


@dataclass(frozen=True)
class Source:
    """A plugin: its entry point's name and the distribution that ships it."""

    name: str
    distribution: str
    broken: str | None = None
    """Why it could not be used, in one line; None for a plugin that works."""

    @property
    def ours(self) -> bool:
        """Whether llmbench itself ships it."""
        return self.distribution.startswith("llmbench ")


def source(point: EntryPoint) -> Source:
    """The plugin that an entry point names."""
    return Source(point.name, describe(point.dist))


def describe(distribution: Distribution | None) -> str:
    """`llmbench 0.1.0`, also where a distribution does not say what it is."""
    with contextlib.suppress(Exception):
        if distribution is not None and distribution.name:
            return _named(distribution)
    return "an unknown package"


@cache
def _named(distribution: Distribution) -> str:
    return f"{distribution.name} {distribution.version}"


def chosen(points: Iterable[EntryPoint]) -> list[EntryPoint]:
    """The entry points that are to be loaded; PluginError where one is named and not there.

    Our own come first, so that lists read the same whatever else is installed.
    """
    ordered = sorted(points, key=lambda p: (not source(p).ours, p.name))
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
