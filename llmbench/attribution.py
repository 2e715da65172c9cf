"""What each part of a composition changes: pairs of compositions that differ in one part.

A part is a member that is added, or one that takes the place of another of its group: `lora`
instead of `full`. A pure function of the records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from llmbench.arm import Arm
from llmbench.composition import split_members
from llmbench.figure import peak_memory
from llmbench.record import Cell, Record
from llmbench.statistics.interval import Interval
from llmbench.statistics.quality import paired_differences
from llmbench.statistics.rate import judge_speed
from llmbench.statistics.verdict import Judged, Verdict, judge, verdicts
from llmbench.strategy import Strategy

Runs = Mapping[int, Record]
"""A composition's records, by seed."""


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
    memory_bytes: float
    """By how much the peak grows, over the seeds that both have; negative where it shrinks."""
    memory_percent: float
    speed_percent: Interval
    """By how much the non-padding tokens per second grow."""
    quality: Verdict | None = None
    """Of the score, over the same examples; None where no quality was measured."""


@dataclass(frozen=True)
class Interaction:
    """How a part's effect changes once another part is there: a difference of differences."""

    alone: Effect
    joined: Effect
    """The same part, where `other` is there too."""
    other: Part

    @property
    def memory_bytes(self) -> float:
        """By how much more the peak grows than without the other part."""
        return self.joined.memory_bytes - self.alone.memory_bytes

    @property
    def speed_points(self) -> float:
        """By how many points of percent more the speed grows than without the other part."""
        return self.joined.speed_percent.estimate - self.alone.speed_percent.estimate


def effects(records: Sequence[Record], score: str | None) -> list[Effect]:
    """Every part's effect wherever two of the compositions differ in it alone, part by part.

    The records must be of cells that compare. `score` stands for quality, if there is any; its
    verdicts are corrected for the number of effects.
    """
    runs = _runs(records)
    found = [
        effect
        for part, before, after in _pairs({n: next(iter(r.values())) for n, r in runs.items()})
        if (effect := _effect(part, before, after, runs))
    ]
    judged = _judge(found, runs, score) if score else {}
    ranked = sorted(found, key=lambda e: _rank(e, list(runs)))
    return [replace(e, quality=judged.get(_key(e))) for e in ranked]


def interactions(found: Sequence[Effect]) -> list[Interaction]:
    """Each two parts of which all four combinations are there, once, the larger effect's change.

    A part that comes on top is told by one that takes another's place, never the other way round.
    """
    at = {(e.before, e.after): e for e in found}
    starting: dict[str, list[Effect]] = defaultdict(list)
    for effect in found:
        starting[effect.before].append(effect)
    seen: dict[frozenset[str], Interaction] = {}
    for alone in found:
        for other in starting[alone.before]:
            for far in starting[alone.after]:
                joined = at.get((other.after, far.after))
                square = frozenset({alone.before, alone.after, other.after, far.after})
                if joined and joined.part == alone.part and far.part == other.part:
                    made = Interaction(alone, joined, other.part)
                    seen[square] = max(made, seen.get(square, made), key=_telling)
    return list(seen.values())


def _telling(interaction: Interaction) -> tuple[bool, float]:
    return not interaction.alone.part.instead_of, abs(interaction.alone.memory_bytes)


def _runs(records: Sequence[Record]) -> dict[str, dict[int, Record]]:
    runs: dict[str, dict[int, Record]] = defaultdict(dict)
    for record in records:
        runs[record.cell.composition][record.cell.seed] = record
    return runs


def _pairs(records: Mapping[str, Record]) -> Iterator[tuple[Part, str, str]]:
    """What is between each two compositions of which one part tells them apart."""
    names = {frozenset(split_members(name)): name for name in records}
    rivals: dict[tuple[frozenset[str], str], list[str]] = defaultdict(list)
    for labels, name in names.items():
        groups = _groups(records[name].cell)
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


def _effect(
    part: Part, before: str, after: str, runs: Mapping[str, Mapping[int, Record]]
) -> Effect | None:
    shared = _shared(runs[before], runs[after])
    speed = judge_speed(shared[1], shared[0]) if shared else None
    if not shared or speed is None:
        return None
    held, grown = (arm.mean(peak_memory) or 0.0 for arm in shared)
    percent = 100 * (grown - held) / held if held else 0.0
    return Effect(part, before, after, grown - held, percent, _percent(speed))


def _judge(found: Sequence[Effect], runs: Mapping[str, Runs], score: str) -> dict[str, Verdict]:
    """A verdict on each effect's quality, by its key."""
    judged = {}
    for effect in found:
        shared = _shared(runs[effect.before], runs[effect.after])
        rows = paired_differences(shared[1], shared[0], score) if shared else []
        if rows:
            judged[_key(effect)] = judge(rows)
    return verdicts(judged)


def _shared(one: Runs, other: Runs) -> tuple[Arm, Arm] | None:
    """Both, with the seeds that both have; None where they have none in common."""
    seeds = [s for s in one if s in other]
    if not seeds:
        return None
    return Arm(tuple(one[s] for s in seeds)), Arm(tuple(other[s] for s in seeds))


def _percent(judged: Judged) -> Interval:
    held = judged.difference
    return Interval(100 * held.estimate, 100 * held.low, 100 * held.high)


def _key(effect: Effect) -> str:
    return f"{effect.before}\0{effect.after}"


def _rank(effect: Effect, order: list[str]) -> tuple[int, str, str, int]:
    first = next(i for i, name in enumerate(order) if effect.part.added in split_members(name))
    return first, effect.part.added, effect.part.instead_of, order.index(effect.before)
