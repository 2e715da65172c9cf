"""What a reader should know before trusting the figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from llmbench.report import words
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
        *(Note("note", words.clean(n)) for n in comparison.header.notices),
        *_groups(standing),
        *_quality(standing),
        *_power(standing),
        *_same_predictions(standing),
        *_speed(standing),
        *_memory(standing),
        *_kernels(standing),
        *_many(standing),
    ]
    order = {"wrong": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda n: order[n.kind]))


def _wrong(standing: Standing) -> Iterator[Note]:
    for record in standing.records:
        problem = standing.problems.get(record.cell.id)
        if problem:
            yield Note("wrong", f"{standing.name(record)} is out of the running. {problem}")


def _missing(comparison: Comparison) -> Iterator[Note]:
    held = {r.cell.id for r in comparison.records}
    absent = [
        words.code(p.cell.composition)
        for p in comparison.header.plan.cells
        if p.cell.id not in held
    ]
    if absent:
        verb = "has" if len(absent) == 1 else "have"
        yield Note(
            "warning", f"{words.listed(absent)} {verb} no record: the comparison is not complete."
        )


def _ended(standing: Standing) -> Iterator[Note]:
    """Cells that are not in the running because of how they ended."""
    bad = [r for r in standing.records if r.status not in {"ok", "skipped"}]
    skipped = [r for r in standing.records if r.status == "skipped"]
    if bad:
        named = words.listed([f"{standing.name(r)} ({r.status})" for r in bad])
        yield Note("warning", f"Not in the running: {named}. The table says why.")
    if skipped:
        yield Note("note", f"Skipped: {words.listed([standing.name(r) for r in skipped])}.")


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
    cells = defaultdict(list)
    for record in standing.records:
        for warning in record.warnings:
            cells[warning].append(standing.name(record))
    for warning, of in cells.items():
        whom = "All cells" if len(of) == len(standing.records) > 1 else words.listed(of)
        yield Note("warning", f"{whom}: {words.cut(warning, 500)}")


def _quality(standing: Standing) -> Iterator[Note]:
    if standing.score is None or standing.best is None:
        return
    best = standing.best
    seeds = {r.cell.seed for r in standing.competing}
    evaluated = words.plural(len(best.examples), "evaluated example")
    if len(seeds) == 1:
        yield Note(
            "note",
            f"One seed: intervals of quality cover the choice of the {evaluated}, not the luck of "
            "training. Another seed may order cells that are close in another way.",
        )
    if (standing.quality_of(best) or 0.0) < NEAR_ZERO:
        yield Note(
            "warning",
            f"{standing.score.label} is near zero in every cell: the predictions have next to "
            "nothing in common with the references, and their order means little.",
        )


def _groups(standing: Standing) -> Iterator[Note]:
    trained = {group(r) for r in standing.records if r.status == "ok" and r.cell.trains}
    if len(trained) > 1:
        cells = [r.cell for r in standing.competing or standing.records if r.cell.trains]
        yield Note(
            "warning",
            "Cells of several models, data sets, settings or devices do not compare: the answer "
            f"is for {words.plural(len(cells), 'cell')} of {words.code(cells[0].model.id)} on "
            f"{words.code(cells[0].task)} that share all of them.",
        )


def _power(standing: Standing) -> Iterator[Note]:
    """How much quality could be lost by picking a cell for level with the best."""
    level = standing.level()
    verdict = standing.verdicts.get(least_memory(level).cell.id) if level else None
    if verdict and standing.best and standing.score and -verdict.difference.low > WIDE:
        count = words.plural(len(standing.best.examples), "example")
        yield Note(
            "warning",
            f"{count} leave room: the pick counts as level with the best, and may yet be worse by "
            f"{-verdict.difference.low:.2f} of {standing.score.label}. More of them "
            "(--eval-examples) narrow that.",
        )


def _same_predictions(standing: Standing) -> Iterator[Note]:
    alike = defaultdict(list)
    for record in standing.competing:
        if record.examples:
            alike[tuple(e.prediction for e in record.examples)].append(standing.name(record))
    same = [words.listed(names, 4) for names in alike.values() if len(names) > 1]
    if same:
        text = "; ".join(same[:MOST_GROUPS]) + ("; and more" if len(same) > MOST_GROUPS else "")
        yield Note("note", f"Word for word the same predictions: {text}.")


def _speed(standing: Standing) -> Iterator[Note]:
    burn_in = max((r.cell.settings.burn_in_steps for r in standing.competing), default=0)
    if burn_in:
        steps = standing.competing[0].cell.settings.steps
        yield Note(
            "note",
            f"The first {words.plural(burn_in, 'step')} of {steps} train but are left out of "
            "the speed; its interval covers the scatter of the steps that count.",
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
        r
        for r in standing.competing
        if r.attention_kernels == ("flash",)
        and not any(m.id == "flash-attention" for m in r.cell.members)
    ]
    flash = any(m.id == "flash-attention" for r in standing.competing for m in r.cell.members)
    if plain and flash:
        yield Note(
            "note",
            f"The default attention of {words.listed([standing.name(r) for r in plain], 3)} ran on "
            "a flash kernel too: `flash-attention` differs from it only in insisting on one.",
        )


def _many(standing: Standing) -> Iterator[Note]:
    if len(standing.records) > FULL_STATISTICS:
        yield Note(
            "note",
            f"Of {len(standing.records):,} cells, intervals and verdicts are worked out for the "
            f"{FULL_STATISTICS} highest in quality and the {FULL_STATISTICS} fastest only.",
        )
