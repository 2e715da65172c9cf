"""The table of all methods, a row for each with all its seeds, whatever became of it.

And the table that holds every other method against the best, example by example.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import stdev
from typing import Literal

from llmbench import text, units
from llmbench.analysis import field, scaling
from llmbench.analysis.against import Against, against
from llmbench.analysis.field import score_value
from llmbench.analysis.learning import DID_NOT_LEARN
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.interval import Interval
from llmbench.output.table import Column, Row, Table, Value
from llmbench.record.figure import (
    AFTER_PUBLIC,
    BY_ID,
    FIGURES,
    PREDICTED,
    TIME_TO_QUALITY,
    Figure,
    generate_rate,
    probed,
    scores,
    time_to_quality,
    timed,
)
from llmbench.record.record import Record
from llmbench.record.variant import Variant
from llmbench.wording import figures, predicted, racing

SHOWN = (
    "peak_memory_bytes",
    "train_tokens_per_second",
    "generate_tokens_per_second",
    "trainable_parameters",
    "train_seconds",
    "artifact_bytes",
)
"""Columns that are there from the start, after quality; the reader can add the others."""

TRAINING = "train"
"""The phase of which probes' figures are columns; those of all phases are in results.csv."""

TRAINING_ONLY = frozenset({"train_seconds"})


def shown_figures(standing: Standing) -> Iterator[Figure]:
    """Quality first, then the rest in their public order; figures that no cell has are left out."""
    measured = scores(standing.records)
    ordered = [*measured, *FIGURES, *AFTER_PUBLIC, time_to_quality(standing.times)]
    ordered += scaling.figures(standing.records)
    ordered += [f for f in probed(standing.records) if f".{TRAINING}." in f.id]
    head = standing.score.id if standing.score else None
    for figure in sorted(ordered, key=lambda f: f.id != head):
        if figure.id in SHOWN or any(value_of(figure, a) is not None for a in standing.variants):
            yield _named(figure, standing)


def _named(figure: Figure, standing: Standing) -> Figure:
    if figure.id != "peak_memory_bytes" or standing.cuda:
        return figure
    return replace(figure, label=standing.memory_label)


def value_of(figure: Figure, variant: Variant) -> float | None:
    """A variant's value of a figure; None where there is none, or it means nothing."""
    if figure.scored:
        return score_value(figure, variant)
    if figure.id in TRAINING_ONLY and not variant.cell.trains:
        return None
    if figure.id == TIME_TO_QUALITY and len(variant.values(figure.of)) < len(variant.counted):
        return None  # a mean over the seeds that reached it would be too good to be true
    value = variant.mean(figure.of)
    return value if value is None or math.isfinite(value) else None


def leading(figure: Figure, standing: Standing) -> frozenset[str]:
    """Variants to mark in a column: the best of those competing, and all that tie with it."""
    if len(standing.competing) < 2 or figure.better == "neither":
        return frozenset()
    leaders: Sequence[Variant] = ()
    if standing.score and figure.id == standing.score.id:
        leaders = standing.level()
    elif figure.id == "train_tokens_per_second":
        leaders = standing.fastest()
    elif figure.id in PLAIN:
        leaders = _leaders(standing.competing, figure)
    alike = len(leaders) == len(standing.competing)  # then nothing is the best
    return frozenset() if alike else frozenset(variant.id for variant in leaders)


PLAIN = frozenset({"peak_memory_bytes", "artifact_bytes"})
"""Figures of which the plain extreme is marked. The others scatter, nobody knows how much."""


def _leaders(variants: Sequence[Variant], figure: Figure) -> list[Variant]:
    measured = {
        variant.id: v for variant in variants if (v := value_of(figure, variant)) is not None
    }
    if not measured:
        return []
    choose: Callable[..., float] = max if figure.better == "higher" else min
    top = figures.figure_value(figure, choose(measured.values()))
    return [
        variant
        for variant in variants
        if variant.id in measured and figures.figure_value(figure, measured[variant.id]) == top
    ]


REASON_LENGTH = 300


def table(standing: Standing, pick: Variant | None, linked: frozenset[str]) -> Table:
    """Every variant as a row, in the order of the plan."""
    measured = list(shown_figures(standing))
    best = {f.id: leading(f, standing) for f in measured}
    numbers = {r.cell.id: n for n, r in enumerate(standing.records, start=1)}
    rows = []
    for number, variant in enumerate(standing.variants, start=1):
        status = status_text(variant, standing)
        well = len(variant.well) == len(variant.records)
        rows.append(
            Row(
                name=standing.names[variant.id],
                values=(
                    Value(status),
                    *(_value(f, variant, standing, best[f.id]) for f in measured),
                ),
                number=number,
                status=status,
                good=well and not standing.problem(variant) and not standing.finding(variant),
                skipped=not variant.well and variant.first.status == "skipped",
                cause=_cause(variant, standing),
                picked=pick is variant,
                details=tuple(
                    (f"seed {r.cell.seed}", numbers[r.cell.id])
                    for r in variant.records
                    if r.cell.id in linked
                ),
            )
        )
    asked = {f.id for f in measured if f.lead}
    shown = {standing.score.id if standing.score else "", *SHOWN, *asked, TIME_TO_QUALITY}
    shown |= {f.id for f in scaling.figures(standing.records)}
    columns = (
        Column(text.clean(f.label), "figure", f.id, f.meaning, f.better, f.id in shown)
        for f in measured
    )
    return Table("All methods", (Column("Status", "words"), *columns), tuple(rows), style="cells")


def status_text(variant: Variant, standing: Standing) -> str:
    """`ok`, `oom in train`, `2 of 3 ok`, or what is wrong with cells that seem well."""
    if standing.problem(variant) and variant.well:
        return "wrong first loss"
    if standing.finding(variant):
        return DID_NOT_LEARN
    if all(map(racing.not_run, variant.records)):
        return "not run"
    ending = variant.ending(record_status)
    return f"{ending}, given up" if variant.id in standing.given_up else ending


def record_status(record: Record) -> str:
    """`ok`, or `oom in train`."""
    return f"{record.status} in {record.phase}" if record.phase else record.status


def _cause(variant: Variant, standing: Standing) -> str:
    """Why the variant is not well, or its cells, each that has a cause of its own."""
    wrong = standing.problem(variant)
    if wrong:
        return text.cut(wrong, REASON_LENGTH)
    finding = standing.finding(variant)
    if finding:
        return text.cut(finding.sentences, REASON_LENGTH)
    given = standing.given_up.get(variant.id)
    lost = f"Given up {racing.reason(given, text.clean)}." if given else ""
    return " ".join(filter(None, (lost, _reasons(variant), predicted.shortage(variant))))


def _reasons(variant: Variant) -> str:
    causes: dict[str, list[Record]] = {}
    for record in variant.records:
        if record.status != "ok":
            causes.setdefault(record.reason or "", []).append(record)
    if len(causes) == 1 and not variant.well:
        return text.cut(next(iter(causes)), REASON_LENGTH)
    return " ".join(_of_seeds(records, reason) for reason, records in causes.items())


def _of_seeds(records: Sequence[Record], reason: str) -> str:
    """`Seed 2, oom in train: CUDA out of memory.`"""
    seeds = text.listed([str(r.cell.seed) for r in records])
    which = f"Seed{'s' if len(records) > 1 else ''} {seeds}, {record_status(records[0])}"
    return text.cut(f"{which}: {reason}" if reason else f"{which}.", REASON_LENGTH)


def _value(figure: Figure, variant: Variant, standing: Standing, best: frozenset[str]) -> Value:
    value = value_of(figure, variant)
    if value is None:
        return Value("", absent=_absent(figure, variant))
    mark: Literal["", "best", "level"] = ""
    if variant.id in best:
        mark = "level" if len(best) > 1 else "best"
    values = variant.values(figure.of)
    sd = stdev(values) if len(values) > 1 else None
    interval = interval_of(figure, variant, standing)
    low, high = figures.within(figure, interval) if interval else (None, None)
    return Value(
        text=figures.figure_value(figure, value),
        number=value,
        low=low,
        high=high,
        sd=sd,
        spread="" if sd is None else figures.spread(figure, value, sd),
        count=len(values),
        detail=_detail(figure, variant, standing),
        beside=predicted.beside(variant) if figure.id == "peak_memory_bytes" else "",
        mark=mark,
    )


def interval_of(figure: Figure, variant: Variant, standing: Standing) -> Interval | None:
    """The 95 % interval, of those figures that have one."""
    known = {
        standing.score.id if standing.score else "": standing.quality,
        "peak_memory_bytes": standing.memory,
        "train_tokens_per_second": standing.speed,
    }
    return known.get(figure.id, {}).get(variant.id)


def _detail(figure: Figure, variant: Variant, standing: Standing) -> str:
    interval = interval_of(figure, variant, standing)
    if interval:
        return figures.bounds(figure, interval)
    parameters = variant.first.parameters
    if figure.id == "trainable_parameters" and parameters and parameters.total:
        return units.percent(parameters.trainable, parameters.total)
    if figure.id == PREDICTED.id:
        error = predicted.error(variant)
        return "" if error is None else units.share(error)
    return ""


def _absent(figure: Figure, variant: Variant) -> str:
    if not variant.well:
        return "not measured"  # its row says why
    if figure.scored and variant.cell.model.weights == "random":
        return "not measured: the weights are random"
    if not variant.cell.trains:
        return "not measured: nothing is trained"
    if figure.id == TIME_TO_QUALITY:
        return "not reached" if variant.first.validation else "not measured"
    if figure.unit == "tokens/s" and not timed(variant.first):
        return "not measured: a deterministic run is slow on purpose"
    return "not measured"


def summary_figures(variant: Variant, standing: Standing) -> str:
    """The row's main figures in a line, for a chart's marks."""
    clauses = []
    value = standing.quality_of(variant)
    if standing.score and value is not None:
        interval = figures.bounds(standing.score, standing.quality.get(variant.id))
        clauses.append(
            f"{standing.score.label} {figures.figure_value(standing.score, value)} {interval}"
        )
    memory, rate = field.memory(variant), field.speed(variant)
    if memory is not None:
        clauses.append(
            f"{standing.memory_word} {figures.figure_value(BY_ID['peak_memory_bytes'], memory)}"
        )
    if rate is not None:
        clauses.append(figures.figure_value(field.SPEED, rate))
    elif variant.mean(generate_rate) is not None:
        clauses.append("not trained")
    return ", ".join(p.strip() for p in clauses)


LOSS = "cross entropy per token of the references, in nats; it tells smaller differences"
EACH = "examples, of every seed, on which it scores better than the best, the same, and worse"
WORST = "examples on which it lost most, with by how much"


def rivals_table(standing: Standing) -> Table | None:
    """A row for each other that competes; None where there is none to hold against the best."""
    rivals = against(standing)
    if not rivals or standing.best is None or standing.score is None:
        return None
    losses = any(one.loss for one in rivals)
    label = standing.score.label
    columns = (
        Column(label, meaning="difference from the best, and the verdict"),
        *([Column("Loss of references", meaning=LOSS)] if losses else []),
        Column("Better, same, worse", meaning=EACH),
        Column("Lost most on", kind="words", meaning=WORST),
    )
    best = text.clean(standing.names[standing.best.id])
    rows = tuple(_row(one, standing, losses) for one in rivals)
    return Table(f"every method against {best}", columns, rows)


def _row(one: Against, standing: Standing, losses: bool) -> Row:
    verdict = standing.verdicts.get(one.variant.id)
    loss = one.loss
    values = (
        Value(figures.difference(verdict.difference), detail=verdict.word)
        if verdict
        else Value(""),
        *(
            [Value(figures.difference(loss.difference), detail=loss.word) if loss else Value("")]
            * losses
        ),
        Value(f"{one.better}, {one.same}, {one.worse}"),
        Value(", ".join(f"{text.clean(name)} ({lost:+.2f})" for name, lost in one.worst)),
    )
    return Row(text.clean(standing.names[one.variant.id]), values)
