"""Which cell of one comparison is which of the other, and which seeds belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmbench.record.comparison import Comparison
from llmbench.record.record import Record
from llmbench.record.variant import Variant

Key = tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """A variant of both: the same composition, model, task and seeds, whatever else has changed."""

    old: Variant
    new: Variant

    @property
    def records(self) -> tuple[Record, ...]:
        """Those of both sides."""
        return *self.old.records, *self.new.records

    @property
    def key(self) -> Key:
        """What the two share, but for the seeds."""
        return key(self.new.records[0])[:-1]


def key(record: Record) -> Key:
    """What makes a cell the same cell in another comparison."""
    cell = record.cell
    return cell.name, cell.model.id, cell.task, str(cell.seed)


def pairs(old: Sequence[Record], new: Sequence[Record]) -> list[Pair]:
    """Every cell that both hold, seeds together, in the order of the new comparison."""
    before, after = latest(old), latest(new)
    keys_of: dict[Key, list[Key]] = {}
    for k in after:
        if k in before:
            keys_of.setdefault(k[:-1], []).append(k)
    return [
        Pair(Variant(tuple(before[k] for k in keys)), Variant(tuple(after[k] for k in keys)))
        for keys in keys_of.values()
    ]


def unpaired(one: Comparison, other: Comparison) -> list[Record]:
    """The cells of one comparison that the other does not hold."""
    known = latest(other.records)
    return [record for k, record in latest(one.records).items() if k not in known]


def latest(records: Sequence[Record]) -> dict[Key, Record]:
    """A record for each cell; of several, as after a change of settings, the last to start."""
    newest: dict[Key, Record] = {}
    for record in records:
        earlier = newest.get(key(record))
        if earlier is None or (record.started_at or "") > (earlier.started_at or ""):
            newest[key(record)] = record
    return newest
