"""What each part of a composition changes: pairs of compositions that differ in one part.

A part is a member that is added, or one that takes the place of another of its group: `lora`
instead of `full`. A pure function of the records.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import fmean

from llmbench.analysis.statistics.differences import Differences
from llmbench.analysis.statistics.interval import Interval, few_interval
from llmbench.analysis.statistics.quality import same_seeds
from llmbench.analysis.statistics.rate import Speeds, speeds
from llmbench.analysis.statistics.verdict import Verdict
from llmbench.plugin.strategy import Strategy
from llmbench.record.figure import BY_ID, peak_memory
from llmbench.record.record import Cell, Record
from llmbench.record.variant import Variant
from llmbench.text import split_members

train_speed = BY_ID["train_tokens_per_second"].of
MOST_EFFECTS = 60
"""More are of no use to a reader, as where hundreds of values of an option were tried."""


@dataclass(frozen=True)
class Part:
    """What two compositions differ in."""

    added: str
    instead_of: str = ""
    """The member that it takes the place of; empty where it comes on top."""


@dataclass(frozen=True)
class Effect:
    """What one part changes in one composition."""

    part: Part
    before: str
    """The composition without the part, or with the other member of its group."""
    after: str
    before_bytes: float
    """The peak without the part."""
    memory: Interval
    """By how many bytes the peak grows; an interval over seeds, where there are several."""
    speed_share: float | None
    """By what share the tokens per second grow; None where no speed was measured."""
    speed: Verdict | None = None
    """Whether they do; None where there are too few steps to tell."""
    quality: Verdict | None = None
    """Of the score, over the same examples; None where no quality was measured."""

    @property
    def memory_share(self) -> float:
        """By what share the peak grows."""
        return self.memory.estimate / self.before_bytes if self.before_bytes else 0.0

    @property
    def rest(self) -> str:
        """The members that are there with and without the part, joined; empty where none is."""
        labels = split_members(self.after)
        return "+".join(label for label in labels if label != self.part.added)


def effects(
    variants: Sequence[Variant],
    quality: Differences | None,
    margin: float | None = None,
    sign: int = 1,
    rated: Speeds | None = None,
) -> list[Effect]:
    """Every part's effect wherever two of the compositions differ in it alone, part by part.

    The variants must compare. `quality` has what is between them, if there is any; a change of less
    than the margin leaves it as good, and more is better where `sign` is 1. `rated` holds speeds
    against each other, by default those of the variants. There are at most MOST_EFFECTS.
    """
    by_name = {variant.cell.composition: variant for variant in reversed(variants)}
    order = list(dict.fromkeys(variant.cell.composition for variant in variants))
    pairs = islice(_pairs({name: by_name[name].cell for name in order}), MOST_EFFECTS)
    measured = sorted(
        (_effect(part, by_name[before], by_name[after]) for part, before, after in pairs),
        key=lambda e: _rank(e, order),
    )
    rated = rated or speeds(variants)
    ends = [(by_name[e.after], by_name[e.before]) for e in measured]
    judged = [_quality(*pair, quality, margin, sign) for pair in ends]
    return [
        _judged(e, rated.verdict(*pair), verdict)
        for e, pair, verdict in zip(measured, ends, judged, strict=True)
    ]


def _pairs(cells: Mapping[str, Cell]) -> Iterator[tuple[Part, str, str]]:
    """What is between each two compositions of which one part tells them apart."""
    names = {frozenset(split_members(name)): name for name in cells}
    rivals: dict[tuple[frozenset[str], str], list[str]] = defaultdict(list)
    for labels, name in names.items():
        groups = _groups(cells[name])
        for label in sorted(labels):
            rest = labels - {label}
            if rest in names:
                yield Part(label), names[rest], name
            for other in rivals[rest, groups[label]]:
                yield _exchange(label, other, name, names[rest | {other}])
            rivals[rest, groups[label]].append(label)


def _exchange(new: str, old: str, after: str, before: str) -> tuple[Part, str, str]:
    """One takes the other's place: the one that modifiers stand on by themselves is the old one."""
    if new == Strategy.stands_on:
        return Part(old, new), after, before
    return Part(new, old), before, after


def _groups(cell: Cell) -> dict[str, str]:
    """The group of each member, by its label; an unknown one is a group of its own."""
    groups = {m.id: m.group or m.id for m in cell.members}
    labels = split_members(cell.composition)
    return {label: groups.get(label.partition("(")[0], label) for label in labels}


def _effect(part: Part, before: Variant, after: Variant) -> Effect:
    pairs = same_seeds(after, before)
    grown = [(peak_memory(new) or 0.0) - (peak_memory(old) or 0.0) for new, old in pairs]
    mean = fmean(grown)
    return Effect(
        part,
        before.cell.composition,
        after.cell.composition,
        before_bytes=fmean(peak_memory(old) or 0.0 for _, old in pairs),
        memory=few_interval(grown) or Interval(mean, mean, mean),
        speed_share=_faster(pairs),
    )


def _faster(pairs: Sequence[tuple[Record, Record]]) -> float | None:
    rates = [(train_speed(new), train_speed(old)) for new, old in pairs]
    known = [(new, old) for new, old in rates if new and old]
    return math.expm1(fmean(math.log(n / o) for n, o in known)) if known else None


def _judged(effect: Effect, speed: Verdict | None, quality: Verdict | None) -> Effect:
    share = speed.difference.estimate if speed else effect.speed_share
    return replace(effect, speed_share=share, speed=speed, quality=quality)


def _quality(
    after: Variant, before: Variant, quality: Differences | None, margin: float | None, sign: int
) -> Verdict | None:
    if quality is None or not {after.id, before.id} <= quality.index.keys():
        return None
    return quality.verdict(after.id, before.id, margin, sign)


def _rank(effect: Effect, order: list[str]) -> tuple[int, str, str, int]:
    first = next(i for i, name in enumerate(order) if effect.part.added in split_members(name))
    return first, effect.part.added, effect.part.instead_of, order.index(effect.before)
