"""Are equal cells told apart by their speed, and is a true difference found?

    python tests/benchmark/equal_speeds.py
    python tests/benchmark/equal_speeds.py --records DIRECTORY DIRECTORY ...

Without directories, pages are simulated and judged by the functions that judge a report. Each has
compositions that are equal, or of which one is 5 % slower, in cells that run one after the other
as a plan has them. A cell's steps are long and short as its seed's batches are; successive ones
are alike; the cell drifts; steps are held up; the GPU throttles for a while; each cell has an
effect of its own, and one place in the order another. Prints the share of pages on which any two
equal compositions are told apart, of at most 5 %, and the share that finds the slower one.

With directories, those of one comparison run again and again, cells of a composition are held
against each other: how far apart they are, how many of the pairs are told apart, and on how many
pages of three runs against three others.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
from scipy.signal import lfilter

from llmbench.analysis.statistics.interval import quantile
from llmbench.analysis.statistics.rate import (
    Speeds,
    Timed,
    family,
    few_ratio_interval,
    speeds,
    step_error,
)
from llmbench.record.figure import train_rate
from llmbench.record.record import Record
from llmbench.record.variant import Variant
from llmbench.storage.store import Store

STEPS = 46
PAGES = 400
SLOWER = 1.05
STEADY = {"cell": 0.01, "step": 0.01, "alike": 0.3}
"""Cells that repeat within 1 %, and no more than that."""
ADVERSE = {"cell": 0.01, "step": 0.02, "alike": 0.9, "drift": 0.02, "place": 0.02, "throttled": 0.1}
MACHINES = {
    "steady": STEADY,
    "correlated, drifting, throttled, with an effect of place": ADVERSE,
    "the same, and steps are held up": ADVERSE | {"stalls": 0.01},
    "the same, and one composition is unstable": ADVERSE | {"unstable": 5.0},
}
SPEED = train_rate("nonpadding_tokens")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=PAGES)
    parser.add_argument("--records", type=Path, nargs="*", default=[])
    args = parser.parse_args()
    if args.records:
        held(args.records)
        return
    simulated(args.pages)
    intervals(5 * args.pages)


def simulated(pages: int) -> None:
    """Print how often equal ones are told apart, and a true difference is found."""
    say("| machine | compositions | seeds | repeat | equal ones told apart | 5 % found |")
    say("| --- | --- | --- | --- | --- | --- |")
    for name, machine in MACHINES.items():
        for count in (2, 7):
            for seeds in (1, 3, 5):
                for repeat in (False, True):
                    random = np.random.default_rng([count, seeds, repeat, len(name)])
                    wrong, found = shares(random, count, seeds, repeat, machine, pages)
                    word = "yes" if repeat else "no"
                    say(f"| {name} | {count} | {seeds} | {word} | {wrong:.1f} % | {found:.0f} % |")


def intervals(draws: int) -> None:
    """Print how often intervals of a speed hold it: of one cell, and over seeds."""
    say("| correlation of steps | steps | intervals of one seed that hold the speed |")
    say("| --- | --- | --- |")
    for alike in (0.0, 0.3, 0.6, 0.9):
        for steps in (8, 16, 32, 48, 96, 196):
            say(f"| {alike} | {steps} | {covered(alike, steps, draws):.1f} % |")
    say("| machine | seeds | intervals over seeds that hold the speed |")
    say("| --- | --- | --- |")
    for name, machine in MACHINES.items():
        for seeds in (2, 3, 5):
            say(f"| {name} | {seeds} | {covered_over_seeds(machine, seeds, draws):.1f} % |")


def shares(
    random: Any, count: int, seeds: int, repeat: bool, machine: dict[str, float], pages: int
) -> tuple[float, float]:
    """Percent of pages that tell equal compositions apart, and that find the slower one."""
    wrong = sum(told(page(random, count, seeds, repeat, 1.0, machine)) > 0 for _ in range(pages))
    found = 0
    for _ in range(pages):
        made = page(random, count, seeds, repeat, SLOWER, machine)
        variants = list(made.logs)
        found += made.slower(
            variants[0], max(variants, key=lambda variant: sum(made.logs[variant].values()))
        )
    return 100 * wrong / pages, 100 * found / pages


def told(made: Speeds) -> int:
    """How many pairs are told apart."""
    verdicts = (made.verdict(one, other) for one, other in combinations(made.logs, 2))
    return sum(v is not None and v.word != "undecided" for v in verdicts)


def page(
    random: Any, count: int, seeds: int, repeat: bool, slower: float, machine: dict[str, float]
) -> Speeds:
    """The speeds of a page whose first variant may be slower; the fastest may be run once more."""
    place, shift = random.integers(count), max(1, count // seeds)
    lengths = random.uniform(0.7, 1.3, (seeds, STEPS))
    seconds = np.empty((count, seeds, STEPS))
    for seed in range(seeds):
        order = [(seed * shift + n) % count for n in range(count)]
        rows = np.stack([steps(random, machine, variant == 0) * lengths[seed] for variant in order])
        rows[place] *= 1 + machine.get("place", 0.0)
        if random.random() < machine.get("throttled", 0.0):
            start, length = random.integers(rows.size), int(random.exponential(STEPS / 2))
            rows.reshape(-1)[start : start + length] *= 1.1
        seconds[order, seed] = rows
    seconds[0] *= slower
    variants = [Variant(()) for _ in range(count)]
    cells = {
        variant: {s: timed(seconds[n, s], lengths[s]) for s in range(seeds)}
        for n, variant in enumerate(variants)
    }
    if not repeat:
        return family(cells)
    best = max(range(count), key=lambda n: sum(t.log_rate for t in cells[variants[n]].values()))
    again = steps(random, machine, best == 0) * lengths[0] * (slower if best == 0 else 1.0)
    return family(cells, [(variants[best], 0, timed(again, lengths[0]).log_rate)])


def timed(seconds: Any, lengths: Any) -> Timed:
    """A cell with these steps, of batches as long as this."""
    left = lengths / lengths.mean() - seconds / seconds.mean()
    return Timed(math.log(lengths.sum() / seconds.sum()), tuple(left.tolist()), tuple(lengths))


def steps(random: Any, machine: dict[str, float], first: bool) -> Any:
    """How long the steps of a cell take that would take 1 second each, were all at rest."""
    scatter = machine["step"] * alike_steps(random, machine["alike"], STEPS)
    unstable = machine.get("unstable", 1.0) if first else 1.0
    whole = machine["cell"] * unstable * random.standard_normal()
    slope = machine.get("drift", 0.0) * random.standard_normal()
    found = np.exp(scatter + whole + slope * (np.arange(STEPS) / STEPS - 0.5))
    return np.where(random.random(STEPS) < machine.get("stalls", 0.0), 5 * found, found)


def alike_steps(random: Any, alike: float, count: int) -> Any:
    """Values of an autoregressive process with standard deviation 1."""
    shocks = random.standard_normal(count) * math.sqrt(1 - alike**2)
    shocks[0] /= math.sqrt(1 - alike**2)
    return lfilter([1.0], [1.0, -alike], shocks)


def covered(alike: float, count: int, draws: int) -> float:
    """Percent of one cell's intervals that hold its speed, whose log is 0."""
    random = np.random.default_rng([count, int(10 * alike)])
    hits = 0
    for _ in range(draws):
        made = timed(1 + 0.02 * alike_steps(random, alike, count), np.ones(count))
        error, freedom, _ = step_error(made.left)
        hits += abs(made.log_rate) <= quantile(freedom) * math.sqrt(error)
    return 100 * hits / draws


def covered_over_seeds(machine: dict[str, float], seeds: int, draws: int) -> float:
    """Percent of the intervals over seeds that hold the geometric mean of all cells."""
    random = np.random.default_rng([seeds, int(1000 * machine["alike"])])
    cells = np.array([steps(random, machine, True).sum() for _ in range(10 * draws)])
    rates = STEPS / cells
    truth = float(np.exp(np.log(rates).mean()))
    drawn = (few_ratio_interval(random.choice(rates, seeds).tolist()) for _ in range(draws))
    return 100 * sum(i is not None and i.low <= truth <= i.high for i in drawn) / draws


def held(directories: list[Path]) -> None:
    """How far cells of one composition and seed are apart, over several comparisons."""
    cells = defaultdict(list)
    for directory in directories:
        for found in Store(directory).read().equal.records:
            if found.status == "ok" and SPEED(found):
                cells[found.cell.composition, found.cell.seed].append(found)
    say(
        "| cell | times | standard deviation | farthest apart | one seed tells | three seeds tell |"
    )
    say("| --- | --- | --- | --- | --- | --- |")
    random = np.random.default_rng(0)
    for (name, seed), runs in cells.items():
        logs = [math.log(SPEED(r) or 1.0) for r in runs]
        if len(runs) < 6:
            continue
        pairs = [
            speeds([Variant((one,)), Variant((other,))]) for one, other in combinations(runs, 2)
        ]
        drawn = [random.permutation(len(runs))[:6] for _ in range(PAGES)]
        pages = [speeds([seeded(runs, d[:3]), seeded(runs, d[3:])]) for d in drawn]
        say(
            f"| `{name}`, seed {seed} | {len(runs)} | {100 * stdev(logs):.2f} % | "
            f"{100 * math.expm1(max(logs) - min(logs)):.1f} % | "
            f"{sum(map(told, pairs))} of {len(pairs)} | {sum(map(told, pages))} of {PAGES} |"
        )


def seeded(runs: list[Record], chosen: Any) -> Variant:
    """Some runs of one cell as if each were of another seed."""
    cells = [runs[n].cell.model_copy(update={"seed": s}) for s, n in enumerate(chosen)]
    return Variant(
        tuple(runs[n].model_copy(update={"cell": c}) for n, c in zip(chosen, cells, strict=True))
    )


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
