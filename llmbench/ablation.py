"""What `--ablate` adds to a plan: the compositions that tell what each part of the others does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from llmbench.composition import Composition, Find, claims, unique
from llmbench.errors import ConfigError
from llmbench.strategy import Strategy

MOST_CELLS = 64
"""Cells that an ablation may add; beyond, nobody means it."""


def missing(asked: Sequence[Composition], seeds: int, find: Find) -> list[Composition]:
    """The compositions to be added, each once, those of few parts first.

    For every one that is asked for: all that its modifiers can be left out to, down to the bare
    adaptation, and full fine-tuning. Raises ConfigError where, over all seeds, those are too many.
    """
    trained = [c for c in asked if c.trains]
    reference = [Composition((find(Strategy.stands_on)(),))] if trained else []
    found = unique([*reference, *(part for c in trained for part in reduced(c))])
    held = {c.id for c in asked}
    added = [c for c in found if c.id not in held]
    if len(added) * seeds > MOST_CELLS:
        raise ConfigError(
            f"--ablate would add {len(added) * seeds} cells, and at most {MOST_CELLS} are allowed: "
            "name fewer --strategies, compositions of fewer parts, or fewer --seeds."
        )
    return sorted(added, key=lambda c: len(c.members))


def reduced(composition: Composition) -> Iterator[Composition]:
    """The composition with some of its modifiers, from none to all but one."""
    modifiers = [m for m in composition.members if "adaptation" not in claims(m)]
    for count in range(len(modifiers)):
        for kept in combinations(modifiers, count):
            left_out = [m for m in modifiers if m not in kept]
            yield Composition(tuple(m for m in composition.members if m not in left_out))
