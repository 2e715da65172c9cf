"""How parts change each other's effects, in a sentence for each two."""

from __future__ import annotations

from collections.abc import Sequence

from llmbench.format import size
from llmbench.judge import interaction
from llmbench.judge.attribution import Effect, Part
from llmbench.judge.interaction import Interaction
from llmbench.report import effect, words
from llmbench.report.standing import Standing

MOST_SENTENCES = 12
EXACT, SAMPLED = 0.01, 0.05
"""Shares of the peak below which two savings simply add up: on a GPU, and where peaks scatter."""


def sentences(found: Sequence[Effect], standing: Standing) -> tuple[str, ...]:
    """A sentence for each two parts whose four combinations are there; the largest changes first.

    Backticks stand around names.
    """
    told = interaction.interactions(found)
    ranked = sorted(told, key=lambda i: -abs(i.memory_bytes))
    least = EXACT if standing.cuda else SAMPLED
    return tuple(_sentence(i, least) for i in ranked[:MOST_SENTENCES])


def _sentence(found: Interaction, least: float) -> str:
    alone, joined = found.alone, found.joined
    return (
        f"{effect.name(alone.part)} {_saves(alone)} {effect.where(alone)}, and {_saves(joined)} "
        f"{_beside(found.other)}: {_apart(found, least)}.{_speeds(alone, joined)}"
    )


def _saves(found: Effect) -> str:
    change = found.memory.estimate
    if not change:
        return "leaves peak memory as it is"
    return f"{'saves' if change < 0 else 'adds'} {size(abs(change))}"


def _beside(other: Part) -> str:
    together = "" if other.instead_of else " as well"
    return f"with {effect.name(other)}{together}"


def _apart(found: Interaction, least: float) -> str:
    """The difference of the differences."""
    change, alone, joined = found.memory_bytes, found.alone.memory, found.joined.memory
    if abs(change) < least * found.alone.held_bytes:
        return "the two add up"
    if alone.estimate * joined.estimate < 0:
        return f"{size(abs(change))} apart"
    more = abs(joined.estimate) > abs(alone.estimate)
    return f"{size(abs(change))} {'more' if more else 'less'}"


def _speeds(alone: Effect, joined: Effect) -> str:
    shares = (alone.speed_share, joined.speed_share)
    first, second = (None if s is None else words.share(s) for s in shares)
    if first is None or second is None:
        return ""
    both = f"{first} both times" if first == second else f"{first} and by {second}"
    return f" Speed changes by {both}."
