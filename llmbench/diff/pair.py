"""Which cell of one comparison is which of the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmbench.record import Record
from llmbench.store import Comparison

Key = tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """A cell of both: the same composition, model, task and seed, whatever else has changed."""

    old: Record
    new: Record

    @property
    def key(self) -> Key:
        """What the two share."""
        return key(self.new)


def key(record: Record) -> Key:
    """What makes a cell the same cell in another comparison."""
    cell = record.cell
    return cell.name, cell.model.id, cell.task, str(cell.seed)


def pairs(old: Sequence[Record], new: Sequence[Record]) -> list[Pair]:
    """Every cell that both hold, in the order of the new comparison."""
    before, after = latest(old), latest(new)
    return [Pair(before[k], record) for k, record in after.items() if k in before]


def unpaired(one: Comparison, other: Comparison) -> list[Record]:
    """The cells of one comparison that the other does not hold."""
    held = latest(other.records)
    return [record for k, record in latest(one.records).items() if k not in held]


def latest(records: Sequence[Record]) -> dict[Key, Record]:
    """A record for each cell; of several, as after a change of settings, the last to start."""
    found: dict[Key, Record] = {}
    for record in records:
        held = found.get(key(record))
        if held is None or (record.started_at or "") > (held.started_at or ""):
            found[key(record)] = record
    return found
