"""Short names of cells: no longer than it takes to tell them apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from llmbench.record.record import Cell
from llmbench.record.settings import Settings
from llmbench.text import clean

DIGITS = 4
"""Of a cell's id, enough to tell cells apart that are otherwise named alike."""
MOST_SETTINGS = 2
"""Settings that stand in a name."""


def named(cells: Sequence[Cell], seeds: bool = False) -> dict[str, str]:
    """A name per cell id: the composition, and the model or task where they vary.

    With `seeds` the seed too. Where cells are still alike, all get the settings that tell them
    apart, `full · seq-len 512`; and where that is not enough, the last digits of their ids.
    """
    labels = (_model, _task, _seed) if seeds else (_model, _task)
    varying = [label for label in labels if len({label(cell) for cell in cells}) > 1]
    names = {c.id: clean(" · ".join([c.name, *(label(c) for label in varying)])) for c in cells}
    telling = _telling(cells, names)
    names = {c.id: " · ".join([names[c.id], *_settings(c, telling)]) for c in cells}
    alike = Counter(names.values())
    return {
        cell: name if alike[name] == 1 else f"{name} · {cell[-DIGITS:]}"
        for cell, name in names.items()
    }


def _telling(cells: Sequence[Cell], names: dict[str, str]) -> list[str]:
    """The first settings in which cells of the same name differ."""
    alike: dict[str, list[Settings]] = defaultdict(list)
    for cell in cells:
        alike[names[cell.id]].append(cell.settings)
    groups = [settings for settings in alike.values() if len(settings) > 1]
    differing = (
        name
        for name in Settings.model_fields
        if any(len({getattr(s, name) for s in settings}) > 1 for settings in groups)
    )
    return list(differing)[:MOST_SETTINGS]


def _settings(cell: Cell, wanted: Sequence[str]) -> list[str]:
    """`seq-len 512`."""
    return [clean(f"{n.replace('_', '-')} {getattr(cell.settings, n)}") for n in wanted]


def _model(cell: Cell) -> str:
    return cell.model.id


def _task(cell: Cell) -> str:
    return cell.task


def _seed(cell: Cell) -> str:
    return f"seed {cell.seed}"
