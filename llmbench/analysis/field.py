"""The field: which variants compete, and on what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from llmbench.analysis import facts
from llmbench.analysis.checks import first_loss_problems
from llmbench.analysis.facts import asked_for, group
from llmbench.analysis.learning import unlearnt
from llmbench.record.comparison import Comparison
from llmbench.record.figure import BY_ID, Figure, peak_memory, ranking, timed
from llmbench.record.record import Cell
from llmbench.record.variant import Variant, variants

SPEED = BY_ID["train_tokens_per_second"]
FULL_STATISTICS = 64
"""With more variants, intervals and verdicts on speed are worked out for the best ones only."""


def speed(variant: Variant) -> float | None:
    """Its training speed; None where there is none, or it means nothing."""
    return variant.mean(SPEED.of)


def memory(variant: Variant) -> float | None:
    """Its peak memory in bytes."""
    return variant.mean(peak_memory)


def compete(
    variants: Sequence[Variant],
    unusable: Collection[str],
    score: Figure | None,
    planned: Collection[str],
) -> tuple[Variant, ...]:
    """Variants that ended well, train, have all their figures, and no cell that is `unusable`.

    Of several models, data, settings or devices, those of the most frequent among the cells that
    are `planned`: others do not compare, and those of an earlier plan are not what was asked for.
    Deterministic cells have no speed, and compete on the rest.
    """
    able = [
        variant
        for variant in variants
        if variant.sound
        and variant.cell.trains
        and not any(r.cell.id in unusable for r in variant.records)
        and memory(variant) is not None
        and (speed(variant) or not timed(variant.first))
        and (score is None or score_value(score, variant) is not None)
    ]
    wanted = [variant for variant in able if any(r.cell.id in planned for r in variant.records)]
    groups = Counter(group(variant) for variant in wanted or able)
    chosen = max(groups, key=lambda g: groups[g]) if groups else None
    return tuple(variant for variant in able if group(variant) == chosen)


def fastest(comparison: Comparison) -> Cell | None:
    """The first cell of the fastest of those that compete on speed; None where there are not two.

    Quality is left out of it: this is asked before anything is judged.
    """
    records = comparison.equal.records
    unusable = first_loss_problems(records).keys() | unlearnt(records).keys()
    planned = {r.cell.id for r in comparison.planned}
    rated = [
        variant for variant in compete(variants(records), unusable, None, planned) if speed(variant)
    ]
    return max(rated, key=lambda variant: speed(variant) or 0.0).cell if len(rated) > 1 else None


def shared(variant: Variant) -> dict[str, str]:
    """What `group` is made of, in words: what variants share that are held against each other."""
    cell = variant.cell
    device = variant.environment.device_name if variant.environment else ""
    exactly = cell.model.revision or (cell.model.digest or "")[: facts.DIGEST]
    revision = f" at {exactly}" if exactly else ""
    return {
        "model": f"{cell.model.id} ({cell.model.weights}{revision})",
        "task": cell.task,
        "training data": facts.data(cell.train_data),
        "evaluation data": facts.data(cell.eval_data),
        "device": device,
        **{f"--{name.replace('_', '-')}": str(value) for name, value in asked_for(cell).items()},
    }


def quality_score(variants: Sequence[Variant]) -> Figure | None:
    """The score that stands for quality in these variants, if there is one."""
    trained = [variant for variant in variants if variant.cell.trains and variant.well]
    return ranking(
        [r for variant in trained if variant.cell.model.weights != "random" for r in variant.well]
    )


def score_value(score: Figure | None, variant: Variant) -> float | None:
    """A variant's score; None for random weights, where it would mean nothing."""
    if score is None or variant.cell.model.weights == "random":
        return None
    return variant.mean(score.of)


def merit(score: Figure | None, variant: Variant) -> float:
    """A variant's score, signed so that more is better; minus infinity without one."""
    value = score_value(score, variant)
    return -math.inf if value is None or score is None else score.sign * value


def least_memory(variants: Sequence[Variant]) -> Variant:
    """The smallest peak; of equals the fastest."""
    return min(variants, key=lambda variant: (memory(variant) or 0.0, -(speed(variant) or 0.0)))


def highest(entrants: Iterable[Variant], figure: Figure | None) -> list[Variant]:
    """Those whose statistics are worked out: all, or the highest of a figure, the base first."""
    listed = list(entrants)
    if len(listed) <= FULL_STATISTICS or figure is None:
        return listed
    ranked = sorted(
        listed,
        key=lambda variant: (variant.cell.trains, -figure.sign * (variant.mean(figure.of) or 0.0)),
    )
    return ranked[:FULL_STATISTICS]
