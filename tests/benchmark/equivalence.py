"""How often is a method called as good that is worse by the whole margin? Scores of a known truth.

    python tests/benchmark/equivalence.py

Two arms are drawn whose means differ by exactly the margin: whoever calls them as good is wrong.
Scores are as ROUGE's are: skewed (a beta distribution), 15 % of them zero, and on some examples
far less certain than on others. On 44 % of the examples both arms write the same, more so on some
examples than on others. Luck is the standard deviation of a training's mean from seed to seed, of
each arm by itself. Prints the percentage of draws that end in "as good": of at most 5.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv, ndtr

from llmbench.analysis.statistics.verdict import judge, verdicts

SHAPE = (1.5, 3.5)
"""Of the beta distribution of the scores that are not zero."""
ZEROS, TIES = 0.15, 0.44
SHARED = 0.7**0.5
"""Standard deviation of what an example does to all arms and seeds alike, before the quantile."""
RESTS = (0.3, 0.75)
"""That of the rest, on either half of the examples."""
GRID = np.linspace(-8, 8, 32001)
SCORES = betaincinv(*SHAPE, np.clip((ndtr(GRID) - ZEROS) / (1 - ZEROS), 0, 1))
MARGIN = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=10_000)
    draws = parser.parse_args().draws
    say("| seeds | examples | luck | worse by the margin | better by it | equal |")
    for seeds in (2, 3, 5):
        for examples in (20, 100, 500):
            for luck in (0.0, 0.005, 0.02):
                found = [claimed(seeds, examples, luck, m, draws) for m in (-MARGIN, MARGIN, 0.0)]
                shares = " | ".join(f"{100 * share:.1f}" for share in found)
                say(f"| {seeds} | {examples} | {luck:g} | {shares} |")


def claimed(seeds: int, examples: int, luck: float, difference: float, draws: int) -> float:
    """The share of draws in which the arms are called as good."""
    random = np.random.default_rng([seeds, examples, int(1e4 * luck), int(1e4 * difference) + 500])
    shift, spread = shift_of(difference), luck / slope()
    told = 0
    for _ in range(draws):
        rows = differences(random, (seeds, examples), shift, spread)
        (verdict,) = verdicts({"other": judge(rows)}, MARGIN).values()
        told += verdict.word == "as good"
    return told / draws


def differences(random: Any, shape: tuple[int, int], shift: float, spread: float) -> Any:
    """Scores of one arm minus those of the other, seeds x examples."""
    seeds, examples = shape
    shared = SHARED * random.standard_normal(examples)
    rest = np.where(np.arange(examples) % 2, *RESTS)
    arms = [
        np.interp(
            shared
            + moved
            + spread * random.standard_normal((seeds, 1))
            + rest * random.standard_normal(shape),
            GRID,
            SCORES,
        )
        for moved in (shift, 0.0)
    ]
    alike = random.random(shape) < random.beta(TIES, 1 - TIES, examples)
    return np.where(alike, 0.0, arms[0] - arms[1])


def mean(shift: float) -> float:
    """The mean score of an arm that is moved by so much before the quantile is taken."""
    weights = np.exp(-0.5 * GRID**2)
    held = (np.interp(shift + (SHARED**2 + r**2) ** 0.5 * GRID, GRID, SCORES) for r in RESTS)
    return float(np.mean([np.average(scores, weights=weights) for scores in held]))


def shift_of(difference: float) -> float:
    """What moves the mean by this difference, ties left at none."""
    return float(brentq(lambda s: (1 - TIES) * (mean(s) - mean(0.0)) - difference, -1, 1))


def slope() -> float:
    """By how much the mean score moves with the shift."""
    return (mean(0.05) - mean(-0.05)) / 0.1


def say(line: str) -> None:
    """A row of the table."""
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
