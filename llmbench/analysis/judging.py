"""Judges a comparison: puts together who competes, who is best and who ties, by the statistics."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from llmbench import units
from llmbench.analysis import learning
from llmbench.analysis.checks import first_loss_problems
from llmbench.analysis.facts import group
from llmbench.analysis.field import (
    SPEED,
    compete,
    highest,
    memory,
    merit,
    quality_score,
    score_value,
    speed,
)
from llmbench.analysis.names import named
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.differences import Differences
from llmbench.analysis.statistics.interval import LEVEL, Interval, few_interval
from llmbench.analysis.statistics.quality import all_differences, base_verdicts, quality_interval
from llmbench.analysis.statistics.rate import rate_interval, speeds
from llmbench.analysis.statistics.verdict import Verdict
from llmbench.record.comparison import Comparison, Header
from llmbench.record.figure import Figure, peak_memory
from llmbench.record.timed import GivenUp
from llmbench.record.variant import Variant, variants

MARGIN = 0.01
"""Variants whose quality differs by less are as good, where the comparison says nothing else."""


def stand(comparison: Comparison) -> Standing:
    """Work out who competes and who wins, of the cells with equal batches alone."""
    repeats, comparison = comparison.repeats, comparison.equal
    records, entrants = comparison.records, variants(comparison.records)
    problems, unlearnt = first_loss_problems(records), learning.unlearnt(records)
    score = quality_score(entrants)
    planned = {r.cell.id for r in comparison.planned}
    competing = compete(entrants, problems.keys() | unlearnt.keys(), score, planned)
    given_up = _given_up(comparison.header, competing)
    level = comparison.header.timed.level if comparison.header.timed else LEVEL
    margin, budget = _margin(comparison.header, score), _budget(comparison.header)
    fitting = tuple(a for a in competing if budget is None or (memory(a) or 0.0) <= budget)
    racing = tuple(a for a in fitting or competing if a.id not in given_up)
    best = _best(racing or fitting or competing, score)
    scored = highest((a for a in entrants if score_value(score, a) is not None), score)
    between = all_differences(competing, score.id, level) if score else None
    base = _untrained(entrants, best)
    against_base = (
        base_verdicts(competing, base, score.id, score.sign, level) if base and score else {}
    )
    ahead = against_base.get(best.id) if best else None
    gates = {base.id: ahead.turned} if base and ahead else {}
    lost = {name: _lost(g) for name, g in given_up.items()}
    goals = learning.targets(records)
    standing = Standing(
        records=records,
        variants=entrants,
        numbers={variant.id: number for number, variant in enumerate(entrants, start=1)},
        names=named([variant.cell for variant in entrants]),
        cell_names=named([r.cell for r in records], seeds=True),
        problems=problems,
        unlearnt=unlearnt,
        times=learning.times_to_quality(records),
        goal=next((goals[a.id] for a in competing if a.id in goals), None),
        margin=margin,
        budget=budget,
        score=score,
        scored=tuple(scored),
        competing=competing,
        fitting=fitting,
        quality=_intervals(
            scored, lambda variant: quality_interval(variant, score.id if score else "")
        ),
        memory=_intervals(entrants, lambda variant: few_interval(variant.values(peak_memory))),
        speed={},
        best=best,
        differences=between,
        verdicts=_verdicts(best, score, between, margin) | lost | gates,
        against_base=against_base,
        speeds=speeds(highest(competing, SPEED), repeats),
        repeats=repeats,
        time_budget=comparison.header.timed,
        given_up=given_up,
    )
    return replace(standing, speed=_rates(standing))


def _margin(header: Header, score: Figure | None) -> float:
    """What was asked for, or else what the metric declares."""
    margin = header.configuration.get("margin")
    asked = not header.origins.get("margin", "").startswith("default")
    if asked and isinstance(margin, float) and margin > 0:
        return margin
    return (score and score.margin) or MARGIN


def _budget(header: Header) -> int | None:
    """The budget that was configured, in bytes or as people write sizes."""
    budget = header.configuration.get("memory_budget")
    if isinstance(budget, str):
        with contextlib.suppress(ValueError):
            return units.read_size(budget)
    return budget if isinstance(budget, int) else None


def _best(competing: Sequence[Variant], score: Figure | None) -> Variant | None:
    if score is None or not competing:
        return None
    return max(competing, key=lambda variant: merit(score, variant))


def _given_up(header: Header, able: Sequence[Variant]) -> dict[str, GivenUp]:
    """What the comparison's race gave up, by the id of its variant."""
    by_name = {g.composition: g for g in (header.timed.given_up if header.timed else ())}
    return {a.id: by_name[a.cell.composition] for a in able if a.cell.composition in by_name}


def _lost(given: GivenUp) -> Verdict:
    """The verdict by which it was given up, against what was best by then."""
    return Verdict("worse", Interval(given.difference, given.low, given.high))


def _verdicts(
    best: Variant | None, score: Figure | None, between: Differences | None, margin: float
) -> dict[str, Verdict]:
    """Of those competing, against the best."""
    if best is None or score is None or between is None or best.id not in between.index:
        return {}
    names = [name for name in between.index if name != best.id]
    judged = {name: between.verdict(name, best.id, margin, score.sign) for name in names}
    return {name: verdict for name, verdict in judged.items() if verdict}


def _untrained(entrants: Sequence[Variant], best: Variant | None) -> Variant | None:
    """The base that compares with the best; of weights that were never trained, there is none."""
    bases = (
        variant
        for variant in entrants
        if not variant.cell.trains and variant.cell.model.weights != "scratch"
    )
    return next((variant for variant in bases if best and group(variant) == group(best)), None)


def _rates(standing: Standing) -> dict[str, Interval]:
    """Intervals of the speed: of the fastest variants, and of those among which one is picked."""
    rated = [a for a in standing.variants if speed(a) is not None]
    level = (a for a in standing.level() if speed(a) is not None)
    return _intervals(list(dict.fromkeys([*highest(rated, SPEED), *level])), rate_interval)


def _intervals(
    entrants: Sequence[Variant], interval: Callable[[Variant], Interval | None]
) -> dict[str, Interval]:
    return {variant.id: bounds for variant in entrants if (bounds := interval(variant))}
