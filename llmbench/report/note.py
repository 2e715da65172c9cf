"""What a reader should know before trusting the figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from llmbench.caution import cautions
from llmbench.report import estimate, phrase, words
from llmbench.report.field import group, least_memory
from llmbench.report.standing import FULL_STATISTICS, Standing
from llmbench.store import Comparison

MOST_GROUPS = 4
"""Groups of cells with the same predictions that are named."""
WIDE = 0.05
"""A loss of quality that a reader would mind, and that an interval should rule out."""
NEAR_ZERO = 0.05
"""A score below which predictions have next to nothing in common with the references."""


@dataclass(frozen=True)
class Note:
    """One thing to know: `wrong` figures, a `warning`, or a `note` on how they came about."""

    kind: Literal["wrong", "warning", "note"]
    text: str


def notes(comparison: Comparison, standing: Standing) -> tuple[Note, ...]:
    """All notes, the gravest first."""
    found = [
        *_wrong(standing),
        *(Note("warning", words.clean(p)) for p in comparison.problems),
        *_missing(comparison),
        *_ended(standing),
        *_environments(standing),
        *_warnings(standing),
        *(Note("warning", c) for c in cautions(standing.records)),
        *(Note("note", words.clean(n)) for n in comparison.header.notices),
        *_groups(standing),
        *_quality(standing),
        *_power(standing),
        *_same_predictions(standing),
        *_speed(standing),
        *_memory(standing),
        *(Note("note", said) for said in estimate.quality(standing)),
        *_kernels(standing),
        *_many(standing),
    ]
    order = {"wrong": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda n: order[n.kind]))


def _wrong(standing: Standing) -> Iterator[Note]:
    for arm in standing.arms:
        problem = standing.problem(arm)
        if problem:
            yield Note("wrong", f"{standing.name(arm)} is out of the running. {problem}")


def _missing(comparison: Comparison) -> Iterator[Note]:
    held = {r.cell.id for r in comparison.records}
    planned = [p.cell for p in comparison.header.plan.cells]
    names = words.names(planned, seeds=True)
    absent = [words.code(names[cell.id]) for cell in planned if cell.id not in held]
    if absent:
        verb = "has" if len(absent) == 1 else "have"
        yield Note(
            "warning", f"{words.listed(absent)} {verb} no record: the comparison is not complete."
        )


def _ended(standing: Standing) -> Iterator[Note]:
    """What is not in the running because of how it ended, or is so with fewer seeds."""
    skipped = [a for a in standing.arms if not a.well and a.first.status == "skipped"]
    bad = [a for a in standing.arms if len(a.well) < len(a.records) and a not in skipped]
    for arms, what in (
        ([a for a in bad if not a.sound], "Not in the running"),
        ([a for a in bad if a.sound], "Interrupted, and in the running with fewer seeds"),
    ):
        if arms:
            named = words.listed([f"{standing.name(a)} ({a.ending()})" for a in arms])
            yield Note("warning", f"{what}: {named}. The table says why.")
    if skipped:
        yield Note("note", f"Skipped: {words.listed([standing.name(a) for a in skipped])}.")


def _environments(standing: Standing) -> Iterator[Note]:
    found = _distinct(standing)
    if len(found) > 1:
        yield Note(
            "warning",
            "Cells ran on different machines or versions, so that their speed and memory do not "
            f"compare: {words.listed(found)}.",
        )


def _distinct(standing: Standing) -> list[str]:
    found = {}
    for record in standing.records:
        held = record.environment
        if held and record.status != "skipped":
            key = (held.device_name, tuple(sorted(held.versions.items())))
            found[key] = words.clean(held.device_name)
    return list(found.values())


def _warnings(standing: Standing) -> Iterator[Note]:
    found: dict[str, list[str]] = defaultdict(list)
    for arm in standing.arms:
        for warning in dict.fromkeys(w for r in arm.records for w in r.warnings):
            found[warning].append(standing.name(arm))
    for warning, of in found.items():
        whom = "All cells" if len(of) == len(standing.arms) > 1 else words.listed(of)
        yield Note("warning", f"{whom}: {words.cut(warning, 500)}")


def _quality(standing: Standing) -> Iterator[Note]:
    if standing.score is None or standing.best is None:
        return
    best = standing.best
    evaluated = words.plural(len(best.first.examples), "evaluated example")
    if standing.seed_counts == [1]:
        yield Note(
            "note",
            f"One seed: intervals of quality cover the choice of the {evaluated}, not the luck of "
            "training. Another seed may order cells that are close in another way (--seeds).",
        )
    else:
        yield Note(
            "note",
            f"{words.extent(standing.seed_counts)} seeds: figures are means over them, and "
            "intervals of quality cover the luck of training together with the choice of the "
            f"{evaluated}.",
        )
    if (standing.quality_of(best) or 0.0) < NEAR_ZERO:
        yield Note(
            "warning",
            f"{standing.score.label} is near zero in every cell: the predictions have next to "
            "nothing in common with the references, and their order means little.",
        )


def _groups(standing: Standing) -> Iterator[Note]:
    trained = {group(arm) for arm in standing.arms if arm.well and arm.cell.trains}
    if len(trained) > 1:
        found = [arm for arm in standing.competing or standing.arms if arm.cell.trains]
        cell = found[0].cell
        yield Note(
            "warning",
            "Cells of several models, data sets, settings or devices do not compare: the answer "
            f"is for {words.plural(len(found), phrase.row(standing))} of "
            f"{words.code(cell.model.id)} on {words.code(cell.task)} that share all of them.",
        )


def _power(standing: Standing) -> Iterator[Note]:
    """How much quality could be lost by picking an arm for level with the best."""
    level = standing.level()
    verdict = standing.verdicts.get(least_memory(level).id) if level else None
    if verdict and standing.best and standing.score and -verdict.difference.low > WIDE:
        count = words.plural(len(standing.best.first.examples), "example")
        yield Note(
            "warning",
            f"{count} leave room: the pick counts as level with the best, and may yet be worse by "
            f"{-verdict.difference.low:.2f} of {standing.score.label}. More of them "
            "(--eval-examples) narrow that.",
        )


def _same_predictions(standing: Standing) -> Iterator[Note]:
    alike = defaultdict(list)
    for arm in standing.competing:
        said = tuple(e.prediction for r in arm.counted for e in r.examples)
        if said:
            alike[said].append(standing.name(arm))
    same = [words.listed(names, 4) for names in alike.values() if len(names) > 1]
    if same:
        text = "; ".join(same[:MOST_GROUPS]) + ("; and more" if len(same) > MOST_GROUPS else "")
        yield Note("note", f"Word for word the same predictions: {text}.")


def _speed(standing: Standing) -> Iterator[Note]:
    if standing.competing and not standing.timed:
        yield Note(
            "note",
            "No speed is given: with --deterministic every run gives equal bits, and is slower "
            "on purpose. Leave it out to measure speed.",
        )
        return
    burn_in = max((a.cell.settings.burn_in_steps for a in standing.competing), default=0)
    if burn_in:
        steps = standing.competing[0].cell.settings.steps
        covers = (
            "the scatter of the steps that count, not what drifts from cell to cell (--seeds)"
            if standing.seed_counts == [1]
            else "the spread between the cells of the seeds, which ran in turn"
        )
        yield Note(
            "note",
            f"The first {words.plural(burn_in, 'step')} of {steps} train but are left out of "
            f"the speed; its interval covers {covers}.",
        )


def _memory(standing: Standing) -> Iterator[Note]:
    if standing.competing and not standing.cuda:
        yield Note(
            "note",
            "No GPU: memory is the growth of the process's resident memory on the host, sampled. "
            "It orders cells on this machine and says nothing of a GPU's memory.",
        )


def _kernels(standing: Standing) -> Iterator[Note]:
    plain = [
        a
        for a in standing.competing
        if a.first.attention_kernels == ("flash",)
        and not any(m.id == "flash-attention" for m in a.cell.members)
    ]
    flash = any(m.id == "flash-attention" for a in standing.competing for m in a.cell.members)
    if plain and flash:
        yield Note(
            "note",
            f"The default attention of {words.listed([standing.name(a) for a in plain], 3)} ran on "
            "a flash kernel too: `flash-attention` differs from it only in insisting on one.",
        )


def _many(standing: Standing) -> Iterator[Note]:
    if len(standing.arms) > FULL_STATISTICS:
        yield Note(
            "note",
            f"Of {words.plural(len(standing.arms), phrase.row(standing))}, intervals and verdicts "
            f"are worked out for the {FULL_STATISTICS} highest in quality and the "
            f"{FULL_STATISTICS} fastest only.",
        )
