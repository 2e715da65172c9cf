"""The field: which arms compete, and on what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence

from llmbench.analysis import facts
from llmbench.analysis.checks import first_loss_problems
from llmbench.analysis.groups import asked_for, group
from llmbench.analysis.learning import unlearnt
from llmbench.record.arm import Arm, arms
from llmbench.record.comparison import Comparison
from llmbench.record.figure import BY_ID, Figure, peak_memory, ranking, timed
from llmbench.record.record import Cell

SPEED = BY_ID["train_tokens_per_second"]


def speed(arm: Arm) -> float | None:
    """Its training speed; None where there is none, or it means nothing."""
    return arm.mean(SPEED.of)


def memory(arm: Arm) -> float | None:
    """Its peak memory in bytes."""
    return arm.mean(peak_memory)


def compete(
    arms: Sequence[Arm], unusable: Collection[str], score: Figure | None, planned: Collection[str]
) -> tuple[Arm, ...]:
    """Arms that ended well, train, have all their figures, and no cell that is `unusable`.

    Of several models, data, settings or devices, those of the most frequent among the cells that
    are `planned`: others do not compare, and those of an earlier plan are not what was asked for.
    Deterministic cells have no speed, and compete on the rest.
    """
    able = [
        arm
        for arm in arms
        if arm.sound
        and arm.cell.trains
        and not any(r.cell.id in unusable for r in arm.records)
        and memory(arm) is not None
        and (speed(arm) or not timed(arm.first))
        and (score is None or score_value(score, arm) is not None)
    ]
    wanted = [arm for arm in able if any(r.cell.id in planned for r in arm.records)]
    groups = Counter(group(arm) for arm in wanted or able)
    chosen = max(groups, key=lambda g: groups[g]) if groups else None
    return tuple(arm for arm in able if group(arm) == chosen)


def fastest(comparison: Comparison) -> Cell | None:
    """The first cell of the fastest of those that compete on speed; None where there are not two.

    Quality is left out of it: this is asked before anything is judged.
    """
    records = comparison.equal.records
    unusable = first_loss_problems(records).keys() | unlearnt(records).keys()
    planned = {r.cell.id for r in comparison.planned}
    rated = [arm for arm in compete(arms(records), unusable, None, planned) if speed(arm)]
    return max(rated, key=lambda arm: speed(arm) or 0.0).cell if len(rated) > 1 else None


def shared(arm: Arm) -> dict[str, str]:
    """What `group` is made of, in words: what arms share that are held against each other."""
    cell = arm.cell
    device = arm.environment.device_name if arm.environment else ""
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


def quality_score(arms: Sequence[Arm]) -> Figure | None:
    """The score that stands for quality in these arms, if there is one."""
    trained = [arm for arm in arms if arm.cell.trains and arm.well]
    return ranking([r for arm in trained if arm.cell.model.weights != "random" for r in arm.well])


def score_value(score: Figure | None, arm: Arm) -> float | None:
    """An arm's score; None for random weights, where it would mean nothing."""
    if score is None or arm.cell.model.weights == "random":
        return None
    return arm.mean(score.of)


def merit(score: Figure | None, arm: Arm) -> float:
    """An arm's score as something of which more is better; the worst there is where it has none."""
    value = score_value(score, arm)
    return -math.inf if value is None or score is None else score.sign * value


def least_memory(arms: Sequence[Arm]) -> Arm:
    """The smallest peak; of equals the fastest."""
    return min(arms, key=lambda arm: (memory(arm) or 0.0, -(speed(arm) or 0.0)))
