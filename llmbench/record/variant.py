"""A variant: all cells of one composition that differ in their seed alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, geometric_mean

from llmbench.machine import Environment
from llmbench.record.figure import RATES
from llmbench.record.record import Cell, Record

Of = Callable[[Record], float | None]


@dataclass(frozen=True, eq=False)
class Variant:
    """Cells that share model, task, data, settings and device. With one seed, a single one."""

    records: tuple[Record, ...]
    """In the order in which they were planned; at least one."""

    @property
    def first(self) -> Record:
        """The record that stands for the variant where one has to."""
        return self.well[0] if self.well else self.records[0]

    @property
    def cell(self) -> Cell:
        """What its cells share, and the id and the seed of the first."""
        return self.records[0].cell

    @property
    def id(self) -> str:
        """The id of its first cell."""
        return self.cell.id

    @cached_property
    def well(self) -> tuple[Record, ...]:
        """The records that ended well."""
        return tuple(r for r in self.records if r.status == "ok")

    @property
    def sound(self) -> bool:
        """Whether every seed ended well, but for those that a person interrupted.

        A mean over the seeds that did not diverge would be too good to be true.
        """
        return bool(self.well) and all(r.status in {"ok", "interrupted"} for r in self.records)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds whose records count."""
        return tuple(r.cell.seed for r in self.counted)

    @cached_property
    def counted(self) -> tuple[Record, ...]:
        """The records that figures are taken from: those that ended well, if any did."""
        return self.well or self.records

    @property
    def environment(self) -> Environment | None:
        """What its cells ran on."""
        return next((r.environment for r in self.records if r.environment), None)

    def ending(self, of: Callable[[Record], str] = lambda record: record.status) -> str:
        """How its cells ended: `oom`; with several seeds `ok, 3 seeds` or `2 of 3 ok`."""
        ends, count = {of(r) for r in self.records}, len(self.records)
        if len(ends) == 1:
            return of(self.records[0]) + (f", {count} seeds" if count > 1 else "")
        return f"{sum(of(r) == 'ok' for r in self.records)} of {count} ok"

    def values(self, of: Of) -> list[float]:
        """A figure of each record that counts, where it was measured."""
        return [value for r in self.counted if (value := of(r)) is not None]

    def mean(self, of: Of) -> float | None:
        """A figure over the seeds: the mean of the cells'; None where none was measured.

        Rates take the geometric mean, so that the ratio of two variants is that of their cells.
        """
        if of not in self._means:  # asked for again and again by a report of a thousand cells
            values = self.values(of)
            mean = geometric_mean if of in RATES and all(values) else fmean
            self._means[of] = mean(values) if values else None
        return self._means[of]

    @cached_property
    def _means(self) -> dict[Of, float | None]:
        return {}


def variants(records: Sequence[Record]) -> tuple[Variant, ...]:
    """The variants of the records, in the order of their first cells."""
    groups: dict[object, list[Record]] = {}
    for record in records:
        groups.setdefault(_shared(record), []).append(record)
    return tuple(Variant(tuple(group)) for group in groups.values())


def _shared(record: Record) -> object:
    content = record.cell.model_copy(update={"id": "", "seed": 0}).model_dump_json()
    environment = record.environment
    return content, environment and (
        environment.device_name,
        tuple(sorted(environment.versions.items())),
    )
