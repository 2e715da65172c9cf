"""The table of all methods: a row for each with all its seeds, whatever became of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import stdev
from typing import Literal

from llmbench import text
from llmbench.analysis import field
from llmbench.analysis.field import score_value
from llmbench.analysis.learning import DID_NOT_LEARN
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.interval import Interval
from llmbench.output.table import Column, Row, Table, Value
from llmbench.record.arm import Arm
from llmbench.record.figure import (
    AFTER_PUBLIC,
    BY_ID,
    FIGURES,
    PREDICTED,
    TIME_TO_QUALITY,
    Figure,
    generate_rate,
    scores,
    time_to_quality,
    timed,
)
from llmbench.record.record import Record
from llmbench.wording import figures as wording
from llmbench.wording import predicted

SHOWN = (
    "peak_memory_bytes",
    "train_tokens_per_second",
    "generate_tokens_per_second",
    "trainable_parameters",
    "train_seconds",
    "artifact_bytes",
)
"""Columns that are there from the start, after quality; the reader can add the others."""

TRAINING_ONLY = frozenset({"train_seconds"})


def figures(standing: Standing) -> Iterator[Figure]:
    """Quality first, then the rest in their public order; figures that no cell has are left out."""
    measured = scores(standing.records)
    ordered = [*measured, *FIGURES, *AFTER_PUBLIC, time_to_quality(standing.times)]
    head = standing.score.id if standing.score else None
    for figure in sorted(ordered, key=lambda f: f.id != head):
        if figure.id in SHOWN or any(value_of(figure, a) is not None for a in standing.arms):
            yield _named(figure, standing)


def _named(figure: Figure, standing: Standing) -> Figure:
    if figure.id != "peak_memory_bytes" or standing.cuda:
        return figure
    return replace(figure, label=standing.memory_label)


def value_of(figure: Figure, arm: Arm) -> float | None:
    """An arm's value of a figure; None where there is none, or it means nothing."""
    if figure.scored:
        return score_value(figure, arm)
    if figure.id in TRAINING_ONLY and not arm.cell.trains:
        return None
    if figure.id == TIME_TO_QUALITY and len(arm.values(figure.of)) < len(arm.counted):
        return None  # a mean over the seeds that reached it would be too good to be true
    value = arm.mean(figure.of)
    return value if value is None or math.isfinite(value) else None


def leading(figure: Figure, standing: Standing) -> frozenset[str]:
    """Arms to mark in a column: the best of those competing, and all that tie with it."""
    if len(standing.competing) < 2 or figure.better == "neither":
        return frozenset()
    leaders: Sequence[Arm] = ()
    if standing.score and figure.id == standing.score.id:
        leaders = standing.level()
    elif figure.id == "train_tokens_per_second":
        leaders = standing.fastest()
    elif figure.id in PLAIN:
        leaders = _leaders(standing.competing, figure)
    alike = len(leaders) == len(standing.competing)  # then nothing is the best
    return frozenset() if alike else frozenset(arm.id for arm in leaders)


PLAIN = frozenset({"peak_memory_bytes", "artifact_bytes"})
"""Figures of which the plain extreme is marked. The others scatter, nobody knows how much."""


def _leaders(arms: Sequence[Arm], figure: Figure) -> list[Arm]:
    measured = {arm.id: v for arm in arms if (v := value_of(figure, arm)) is not None}
    if not measured:
        return []
    choose: Callable[..., float] = max if figure.better == "higher" else min
    top = wording.figure_value(figure, choose(measured.values()))
    return [
        arm
        for arm in arms
        if arm.id in measured and wording.figure_value(figure, measured[arm.id]) == top
    ]


REASON_LENGTH = 300


def table(standing: Standing, pick: Arm | None, linked: frozenset[str]) -> Table:
    """Every arm as a row, in the order of the plan."""
    found = list(figures(standing))
    best = {f.id: leading(f, standing) for f in found}
    numbers = {r.cell.id: n for n, r in enumerate(standing.records, start=1)}
    rows = []
    for number, arm in enumerate(standing.arms, start=1):
        status = status_text(arm, standing)
        well = len(arm.well) == len(arm.records)
        rows.append(
            Row(
                name=standing.names[arm.id],
                values=(Value(status), *(_value(f, arm, standing, best[f.id]) for f in found)),
                number=number,
                status=status,
                good=well and not standing.problem(arm) and not standing.finding(arm),
                skipped=not arm.well and arm.first.status == "skipped",
                cause=_cause(arm, standing),
                picked=pick is arm,
                details=tuple(
                    (f"seed {r.cell.seed}", numbers[r.cell.id])
                    for r in arm.records
                    if r.cell.id in linked
                ),
            )
        )
    asked = {f.id for f in found if f.lead}
    shown = {standing.score.id if standing.score else "", *SHOWN, *asked, TIME_TO_QUALITY}
    columns = (
        Column(text.clean(f.label), "figure", f.id, f.meaning, f.better, f.id in shown)
        for f in found
    )
    return Table("All methods", (Column("Status", "words"), *columns), tuple(rows), style="cells")


def status_text(arm: Arm, standing: Standing) -> str:
    """`ok`, `oom in train`, `2 of 3 ok`, or what is wrong with cells that seem well."""
    if standing.problem(arm) and arm.well:
        return "wrong first loss"
    return DID_NOT_LEARN if standing.finding(arm) else arm.ending(record_status)


def record_status(record: Record) -> str:
    """`ok`, or `oom in train`."""
    return f"{record.status} in {record.phase}" if record.phase else record.status


def _cause(arm: Arm, standing: Standing) -> str:
    """Why the arm is not well, or its cells, each that has a cause of its own."""
    wrong = standing.problem(arm)
    if wrong:
        return text.cut(wrong, REASON_LENGTH)
    finding = standing.finding(arm)
    if finding:
        return text.cut(finding.sentences, REASON_LENGTH)
    return " ".join(filter(None, (_reasons(arm), predicted.shortage(arm))))


def _reasons(arm: Arm) -> str:
    causes: dict[str, list[Record]] = {}
    for record in arm.records:
        if record.status != "ok":
            causes.setdefault(record.reason or "", []).append(record)
    if len(causes) == 1 and not arm.well:
        return text.cut(next(iter(causes)), REASON_LENGTH)
    return " ".join(_of_seeds(held, reason) for reason, held in causes.items())


def _of_seeds(records: Sequence[Record], reason: str) -> str:
    """`Seed 2, oom in train: CUDA out of memory.`"""
    seeds = text.listed([str(r.cell.seed) for r in records])
    which = f"Seed{'s' if len(records) > 1 else ''} {seeds}, {record_status(records[0])}"
    return text.cut(f"{which}: {reason}" if reason else f"{which}.", REASON_LENGTH)


def _value(figure: Figure, arm: Arm, standing: Standing, best: frozenset[str]) -> Value:
    value = value_of(figure, arm)
    if value is None:
        return Value("", absent=_absent(figure, arm))
    mark: Literal["", "best", "level"] = ""
    if arm.id in best:
        mark = "level" if len(best) > 1 else "best"
    values = arm.values(figure.of)
    sd = stdev(values) if len(values) > 1 else None
    interval = interval_of(figure, arm, standing)
    low, high = wording.within(figure, interval) if interval else (None, None)
    return Value(
        text=wording.figure_value(figure, value),
        number=value,
        low=low,
        high=high,
        sd=sd,
        spread="" if sd is None else wording.spread(figure, value, sd),
        count=len(values),
        detail=_detail(figure, arm, standing),
        beside=predicted.beside(arm) if figure.id == "peak_memory_bytes" else "",
        mark=mark,
    )


def interval_of(figure: Figure, arm: Arm, standing: Standing) -> Interval | None:
    """The 95 % interval, of those figures that have one."""
    known = {
        standing.score.id if standing.score else "": standing.quality,
        "peak_memory_bytes": standing.memory,
        "train_tokens_per_second": standing.speed,
    }
    return known.get(figure.id, {}).get(arm.id)


def _detail(figure: Figure, arm: Arm, standing: Standing) -> str:
    interval = interval_of(figure, arm, standing)
    if interval:
        return wording.bounds(figure, interval)
    parameters = arm.first.parameters
    if figure.id == "trainable_parameters" and parameters and parameters.total:
        return text.percent(parameters.trainable, parameters.total)
    if figure.id == PREDICTED.id:
        error = predicted.error(arm)
        return "" if error is None else text.share(error)
    return ""


def _absent(figure: Figure, arm: Arm) -> str:
    if not arm.well:
        return "not measured"  # its row says why
    if figure.scored and arm.cell.model.weights == "random":
        return "not measured: the weights are random"
    if not arm.cell.trains:
        return "not measured: nothing is trained"
    if figure.id == TIME_TO_QUALITY:
        return "not reached" if arm.first.validation else "not measured"
    if figure.unit == "tokens/s" and not timed(arm.first):
        return "not measured: a deterministic run is slow on purpose"
    return "not measured"


def summary_figures(arm: Arm, standing: Standing) -> str:
    """The row's main figures in a line, for a chart's marks."""
    parts = []
    value = standing.quality_of(arm)
    if standing.score and value is not None:
        interval = wording.bounds(standing.score, standing.quality.get(arm.id))
        parts.append(
            f"{standing.score.label} {wording.figure_value(standing.score, value)} {interval}"
        )
    memory, rate = field.memory(arm), field.speed(arm)
    if memory is not None:
        parts.append(
            f"{standing.memory_word} {wording.figure_value(BY_ID['peak_memory_bytes'], memory)}"
        )
    if rate is not None:
        parts.append(wording.figure_value(field.SPEED, rate))
    elif arm.mean(generate_rate) is not None:
        parts.append("not trained")
    return ", ".join(p.strip() for p in parts)
