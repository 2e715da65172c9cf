"""Scores of a known truth for the simulations: pages of variants, seeds and examples.

They are as ROUGE's are: skewed (a beta distribution), 15 % of them zero, far less certain on some
examples than on others; on 45 % of the examples two variants score the same. Luck is the standard
deviation of a training's mean from seed to seed, of each variant by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv, ndtr

SHAPE = (1.5, 3.5)
"""Of the beta distribution of the scores that are not zero."""
TIES = 0.41
"""Share of examples on which two variants follow a common text; with zeros in both, 45 % tie."""
SHARED = 0.7**0.5
"""Standard deviation of what an example does to all variants and seeds, before the quantile."""
RESTS = (0.3, 0.75)
"""That of the rest, on either half of the examples."""
GRID = np.linspace(-8, 8, 4001)
WEIGHTS = np.exp(-0.5 * GRID**2) / np.exp(-0.5 * GRID**2).sum()
OWN = 1 - float(np.mean(np.sqrt(np.random.default_rng(1).beta(TIES, 1 - TIES, 400_000))))
"""Share of the examples on which a variant writes a text of its own."""


@dataclass(frozen=True)
class Design:
    """What is drawn. All variants have the same true mean, but for those that `losses` names."""

    variants: int
    seeds: int
    examples: int
    luck: float = 0.0
    unstable: float = 1.0
    """How many times as large the second variant's luck is."""
    losses: tuple[float, ...] = ()
    """By how much the first variants are worse."""
    zeros: float = 0.15
    together: float = 0.0
    """Standard deviation of what a seed does to all variants alike."""


def pages(design: Design, count: int, batch: int = 4_000_000) -> Any:
    """So many pages, each variants x seeds x examples; the same ones in every run."""
    random = np.random.default_rng(list(repr(design).encode()))
    size = max(1, batch // (design.variants * design.seeds * design.examples))
    for start in range(0, count, size):
        yield from draw(random, design, min(size, count - start))


def draw(random: Any, design: Design, count: int) -> Any:
    """Scores, pages x variants x seeds x examples."""
    shape = (count, design.variants, design.seeds, design.examples)
    rest = np.where(np.arange(design.examples) % 2, *RESTS).astype(np.float32)

    def normal(*axes: int) -> Any:
        return random.standard_normal(tuple(shape[a] if a in axes else 1 for a in range(4)), "f4")

    lucks = np.full(design.variants, design.luck)
    lucks[1:2] *= design.unstable
    losses = np.zeros(design.variants)
    losses[: len(design.losses)] = design.losses
    wanted = zip(losses, lucks, strict=True)
    shifts = np.array([shift(-loss, before(luck), design.zeros) for loss, luck in wanted])
    shared = SHARED * normal(0, 3) + before(design.together) * OWN * normal(0, 2)
    moved = shifts[:, None, None] + before(lucks)[:, None, None] * normal(0, 1, 2)
    own = scores(shared + moved + rest * normal(0, 1, 2, 3), design.zeros)
    common = scores(shared + rest * normal(0, 2, 3), design.zeros)
    follow = np.sqrt(random.beta(TIES, 1 - TIES, (count, 1, 1, design.examples)))
    return np.where(random.random(shape, "f4") < follow, common, own)


def scores(normal: Any, zeros: float = 0.15) -> Any:
    """The quantiles of the scores' distribution."""
    return np.interp(normal, GRID, quantiles(zeros))


@lru_cache
def quantiles(zeros: float) -> Any:
    """The distribution's quantile at each point of the grid."""
    return betaincinv(*SHAPE, np.clip((ndtr(GRID) - zeros) / (1 - zeros), 0, 1))


def mean(moved: float, extra: float = 0.0, zeros: float = 0.15) -> float:
    """The mean score of texts that are moved by so much, and vary by so much more."""
    spreads = [(SHARED**2 + r**2 + extra**2) ** 0.5 for r in RESTS]
    return float(np.mean([scores(moved + s * GRID, zeros) @ WEIGHTS for s in spreads]))


@lru_cache
def shift(difference: float, extra: float, zeros: float) -> float:
    """What moves a variant's mean by this difference, whatever its luck."""
    start = mean(0.0, 0.0, zeros)
    return float(brentq(lambda s: OWN * (mean(s, extra, zeros) - start) - difference, -3, 3))


def before(luck: Any) -> Any:
    """A standard deviation of means, as one before the quantile is taken."""
    return luck / ((mean(0.05) - mean(-0.05)) / 0.1) / OWN


def say(*cells: object) -> None:
    """A row of a table."""
    print("| " + " | ".join(f"{c:g}" if isinstance(c, float) else str(c) for c in cells) + " |")  # noqa: T201
