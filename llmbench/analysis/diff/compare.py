"""Two comparisons held against each other, cell by cell: what changed, and is it more than chance?

A pure function of both. `llmbench.analysis.diff.rule` decides on it; outputs write it down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmbench import text
from llmbench.analysis import facts
from llmbench.analysis.checks import first_loss_problems
from llmbench.analysis.diff.change import Change, Pair, changes, pairs, unpaired
from llmbench.analysis.names import named
from llmbench.analysis.statistics.rate import speeds
from llmbench.record.comparison import Comparison
from llmbench.record.record import Record
from llmbench.record.variant import variants

OLD, NEW = "old", "new"


@dataclass(frozen=True)
class CellDiff:
    """One cell that both comparisons hold, with all the seeds that both have."""

    name: str
    pair: Pair
    changes: tuple[Change, ...]
    broken: str
    """How it came to be of no use in the new comparison; empty where it did not."""


@dataclass(frozen=True)
class Diff:
    """What changed from the old comparison to the new one."""

    old: str
    new: str
    notices: tuple[str, ...]
    """What else differs between the two, and how that bears on the figures."""
    cells: tuple[CellDiff, ...]
    missing: tuple[str, ...]
    """Cells that only the old one holds."""
    added: tuple[str, ...]
    """Cells that only the new one holds."""


def diff(old: Comparison, new: Comparison) -> Diff:
    """Hold the new comparison against the old one. What tries learning rates is no result."""
    floor = max(speeds(variants(c.equal.records), c.repeats).floor for c in (old, new))
    old, new = old.reported, new.reported
    matched = pairs(old.records, new.records)
    gone, come = (unpaired(a, b) for a, b in ((old, new), (new, old)))
    shown = [*(r for p in matched for r in p.new.records), *gone, *come]
    cell_names = named([r.cell for r in shown], seeds=True)
    joined = named([p.new.cell for p in matched if len(p.new.records) > 1])
    names = cell_names | joined
    changed = changes(matched, floor)
    broken = _broken(matched, old, new)
    return Diff(
        old=_title(old),
        new=_title(new),
        notices=tuple(_guard(matched, names)),
        cells=tuple(
            CellDiff(names[p.new.id], p, tuple(changed[p.key]), broken.get(p.key, ""))
            for p in matched
        ),
        missing=_names(gone, cell_names),
        added=_names(come, cell_names),
    )


def _title(comparison: Comparison) -> str:
    header = comparison.header
    when = header.created_at[:16].replace("T", " ")
    return text.clean(f"{header.name}, {when}, {header.environment.device_name}")


def _names(records: Sequence[Record], names: dict[str, str]) -> tuple[str, ...]:
    return tuple(names[r.cell.id] for r in records)


def _guard(matched: Sequence[Pair], names: dict[str, str]) -> Iterator[str]:
    """What else differs between the two sides of a cell, and in which cells."""
    cells: dict[str, list[str]] = {}
    differences = []
    for pair in matched:
        for difference in facts.differences({OLD: pair.old.records, NEW: pair.new.records}):
            cells.setdefault(str(difference), []).append(names[pair.new.id])
            differences.append(difference)
    for sentence, of in cells.items():
        yield sentence if len(of) == len(matched) else f"{text.listed(of)}: {sentence}"
    yield from facts.consequences(differences)


def _broken(
    matched: Sequence[Pair], old: Comparison, new: Comparison
) -> dict[tuple[str, ...], str]:
    """Why each cell that was well in the old comparison is not in the new one."""
    before, after = first_loss_problems(old.records), first_loss_problems(new.records)
    broken: dict[tuple[str, ...], str] = {}
    for pair in matched:
        for was, now in zip(pair.old.records, pair.new.records, strict=True):
            if was.status == "ok" and was.cell.id not in before:
                for sentence in _ending(now, after):
                    broken.setdefault(pair.key, sentence)
    return broken


def _ending(record: Record, problems: dict[str, str]) -> Iterator[str]:
    if record.status != "ok":
        where = f" in {record.phase}" if record.phase else ""
        yield text.cut(f"{record.status}{where}: {record.reason or 'no reason is known.'}", 300)
    elif record.cell.id in problems:
        yield problems[record.cell.id]
