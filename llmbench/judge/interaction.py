"""How parts change each other's effects, where all four compositions of a 2x2 are there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from llmbench.judge.attribution import Effect, Part


@dataclass(frozen=True)
class Interaction:
    """How a part's effect changes once another part is there: a difference of differences."""

    alone: Effect
    joined: Effect
    """The same part, where `other` is there too."""
    other: Part

    @property
    def cells(self) -> frozenset[str]:
        """The four compositions."""
        return frozenset(
            {e for side in (self.alone, self.joined) for e in (side.before, side.after)}
        )

    @property
    def memory_bytes(self) -> float:
        """By how much more the peak grows than without the other part."""
        return self.joined.memory.estimate - self.alone.memory.estimate


def interactions(found: Sequence[Effect]) -> list[Interaction]:
    """Each two parts of which all four combinations are there, once, the larger effect's change.

    A part that comes on top is told by one that takes another's place, never the other way round.
    """
    told: dict[frozenset[str], Interaction] = {}
    for made in _squares(found):
        told[made.cells] = max(made, told.get(made.cells, made), key=_telling)
    return list(told.values())


def _squares(found: Sequence[Effect]) -> Iterator[Interaction]:
    """Every 2x2, both ways."""
    at = {(e.before, e.after): e for e in found}
    starting: dict[str, list[Effect]] = defaultdict(list)
    for effect in found:
        starting[effect.before].append(effect)
    for alone in found:
        for other, far in product(starting[alone.before], starting[alone.after]):
            joined = at.get((other.after, far.after))
            if joined and joined.part == alone.part and far.part == other.part:
                yield Interaction(alone, joined, other.part)


def _telling(interaction: Interaction) -> tuple[bool, float]:
    return not interaction.alone.part.instead_of, abs(interaction.alone.memory.estimate)
