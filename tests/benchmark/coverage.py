"""Do intervals of quality hold the true mean as often as they say? Scores with a known truth.

    python tests/benchmark/coverage.py

Scores are drawn from a beta distribution, skewed and between 0 and 1 as ROUGE's are, by adding
normal effects of seed, example and the rest and taking the quantile. One seed's interval is held
against the mean of the model that this seed made, several seeds' against the mean over all seeds.
Prints the share of intervals, of 95 %, that hold it, and the share of comparisons between two arms
that do not differ which are told apart all the same, of at most 5 %.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from scipy.special import betaincinv, ndtr

from llmbench.analysis.statistics.crossed import crossed
from llmbench.analysis.statistics.interval import LEVEL, mean_interval
from llmbench.analysis.statistics.verdict import judge, verdicts

SHAPE = (1.5, 3.5)
"""Of the beta distribution: mean 0.3, standard deviation 0.19."""
MEAN = SHAPE[0] / sum(SHAPE)
DEVIATION = 0.187
SEED_EFFECTS = {"none": 0.0, "small": 0.005, "large": 0.03}
"""Standard deviation of the mean from seed to seed."""
RESTS = (0.1, 0.3, 0.6)
"""How much of the variance is neither the seed's nor the example's."""
GRID = np.linspace(-7, 7, 28001)
SCORES = betaincinv(*SHAPE, ndtr(GRID))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    draws = parser.parse_args().draws
    say("| seeds | examples | effect of the seed | " + " | ".join(f"rest {r:.0%}" for r in RESTS))
    for seeds in (1, 2, 3, 5, 10):
        for examples in (50, 100, 200):
            for name, effect in SEED_EFFECTS.items():
                rests = RESTS if seeds > 1 else RESTS[:1]  # one seed has no rest of its own
                held = [100 * coverage(seeds, examples, effect, r, draws) for r in rests]
                say(f"| {seeds} | {examples} | {name} | " + " | ".join(f"{h:.1f}" for h in held))
    say("| seeds | examples | effect of the seed | told apart, of two that do not differ")
    for seeds in (1, 3, 5):
        for name, effect in SEED_EFFECTS.items():
            share = 100 * mistaken(seeds, 100, effect, draws)
            say(f"| {seeds} | 100 | {name} | {share:.1f}")


def coverage(seeds: int, examples: int, effect: float, rest: float, draws: int) -> float:
    """The share of intervals that hold the truth."""
    random = np.random.default_rng([seeds, examples, int(1e4 * effect), int(100 * rest)])
    held = 0
    for _ in range(draws):
        rows, truth = drawn(random, seeds, random.standard_normal(examples), effect, rest)
        found = mean_interval(rows[0]) if seeds == 1 else crossed(rows).interval(LEVEL)
        held += found.low <= truth <= found.high
    return held / draws


def mistaken(seeds: int, examples: int, effect: float, draws: int) -> float:
    """The share of comparisons in which two arms of one kind are told apart."""
    random = np.random.default_rng([seeds, examples, int(1e4 * effect)])
    told = 0
    for _ in range(draws):
        shared = random.standard_normal(examples)
        one, other = (drawn(random, seeds, shared, effect, 0.3)[0] for _ in range(2))
        (verdict,) = verdicts({"other": judge(one - other)}).values()
        told += verdict.word != "undecided"
    return told / draws


def drawn(random: Any, seeds: int, shared: Any, effect: float, rest: float) -> tuple[Any, float]:
    """Scores, seeds x examples, and the mean that their interval should hold."""
    luck = random.standard_normal((seeds, 1)) * effect / DEVIATION
    own = 1 - (effect / DEVIATION) ** 2 - rest
    left = random.standard_normal((seeds, len(shared))) * rest**0.5
    scores = np.interp(luck + shared * own**0.5 + left, GRID, SCORES)
    return scores, conditional(float(luck[0, 0]), (own + rest) ** 0.5) if seeds == 1 else MEAN


def conditional(luck: float, deviation: float) -> float:
    """The mean score of a model with this luck, over all examples."""
    weights = np.exp(-0.5 * GRID**2)
    return float(np.average(np.interp(luck + deviation * GRID, GRID, SCORES), weights=weights))


def say(line: str) -> None:
    """A row of the table."""
    print(f"{line} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
