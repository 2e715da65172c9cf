"""What the template reads: the whole page as values, nothing left to work out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from markupsafe import Markup

from llmbench import text
from llmbench.analysis import scaling
from llmbench.analysis.choice import choice
from llmbench.analysis.field import score_value
from llmbench.analysis.judging import stand
from llmbench.analysis.standing import Standing
from llmbench.output.brief import INTERVALS
from llmbench.output.html.charts.bars import memory_per_phase, peak_stacks, step_times
from llmbench.output.html.charts.chart import Chart
from llmbench.output.html.charts.curves import learning_curves, loss_curves
from llmbench.output.html.charts.rates import learning_rates
from llmbench.output.html.charts.scatter import scatters
from llmbench.output.html.details import (
    Detail,
    Fact,
    configuration,
    detailed,
    details,
    differing,
    in_force,
    setting_up,
)
from llmbench.output.html.effects import Parts, parts
from llmbench.output.html.fit import Fitting, fits
from llmbench.output.html.predictions import Shown, shown
from llmbench.output.html.sections import Part, sections
from llmbench.output.html.state import memory_unit, state
from llmbench.output.latex import citation
from llmbench.output.methods import rivals_table, table
from llmbench.output.table import Table
from llmbench.record.comparison import Comparison
from llmbench.record.figure import (
    AFTER_PUBLIC,
    FIGURES,
    TIME_TO_QUALITY,
    scores,
    time_to_quality,
)
from llmbench.record.variant import Variant
from llmbench.wording import first, phrases
from llmbench.wording.answer import Answer, answer
from llmbench.wording.labels import legend, short_names
from llmbench.wording.notes import Note, gravest, notes

MEMORY = {
    True: "Peak memory is the most that tensors held on the GPU while training (allocated).",
    False: "RAM is by how much the process grew while training; it says nothing of a GPU's memory.",
}
"""What the memory column holds, with a GPU and without."""


BLUE = "Blue: the best of all methods and what may equal it; none where all may be equal."


@dataclass(frozen=True)
class View:
    """One page."""

    title: str
    subject: tuple[str, ...]
    answer: Answer
    few: Table
    """The pick, the runner-up and the base, in what matters most."""
    key: str
    """What its brackets and colours mean."""
    cost: str
    trust: str
    basis: str
    meanings: tuple[tuple[str, str], ...]
    warnings: tuple[Note, ...]
    """The gravest."""
    notes: tuple[Note, ...]
    """All others."""
    table: Table
    charts: tuple[Chart, ...]
    legend: str
    """What short labels stand for."""
    rates: Chart | None
    """The learning rates that were tried, where some were."""
    parts: Parts | None
    fits: tuple[Fitting, ...]
    predictions: tuple[Shown, ...]
    predictions_of: int
    score_label: str
    memory_word: str
    memory_meaning: str
    setting_up: tuple[Fact, ...]
    configuration: Table
    differing: Table
    sure: str
    """How often intervals of differences in quality hold: `95 %`."""
    against: Table | None
    """Every other method against the best, example by example."""
    in_force: tuple[Fact, ...]
    """The same in all cells."""
    details: tuple[Detail, ...]
    details_left_out: int
    several_seeds: bool
    """Whether rows are of several cells."""
    command: str
    citation: str
    choosable: bool
    """Whether there is more than one cell to choose among."""
    judged: bool
    """Whether quality is a ground to choose on."""
    quality_bound: str
    """Which end of it the reader sets: `least`, or `most` where less is better."""
    sections: tuple[Part, ...]
    """What plugins add."""
    measures: tuple[Fact, ...]
    version: str
    timed: bool
    """Whether speed is a ground to choose on."""
    budget: str
    """The memory that the pick may need, in the unit that the reader gives it in; may be empty."""
    state: Markup


def view(comparison: Comparison) -> View:
    """Work out everything that the page says."""
    whole, comparison = comparison, comparison.equal
    header = comparison.header
    standing = stand(whole)
    conclusion = answer(standing)
    linked, short = detailed(standing), short_names(standing)
    judged = standing.score is not None and bool(conclusion.pick or not standing.fitting)
    cells = table(standing, conclusion.pick, linked)
    few = _few(standing, conclusion, cells)
    every_note = notes(comparison, standing)
    warnings = gravest(every_note)
    examples = max((len(r.examples) for r in standing.records), default=0)
    return View(
        title=text.clean(header.name),
        subject=_subject(comparison),
        answer=conclusion,
        few=few,
        key=_key(few),
        cost=first.cost(standing, conclusion.pick),
        trust=first.trust(standing, conclusion.pick),
        basis=first.basis(whole, standing),
        meanings=first.meanings(standing, conclusion.pick),
        warnings=warnings,
        notes=tuple(n for n in every_note if n not in warnings),
        table=cells,
        charts=_charts(standing, conclusion),
        legend=legend(dict(zip(standing.names.values(), short.values(), strict=True))),
        rates=learning_rates(whole.tried.records, standing, conclusion.pick),
        parts=parts(standing),
        fits=fits(whole, standing),
        predictions=shown(standing, comparison.inputs),
        predictions_of=examples,
        score_label=standing.score.label if standing.score else "",
        memory_word=standing.memory_word,
        memory_meaning=MEMORY[standing.cuda],
        setting_up=setting_up(comparison),
        configuration=configuration(header),
        in_force=in_force(standing),
        differing=differing(standing),
        sure=phrases.sure(standing),
        against=rivals_table(standing) if judged else None,
        details=details(standing, linked),
        details_left_out=len(standing.records) - len(linked),
        several_seeds=standing.several_seeds,
        command=text.clean(header.command),
        citation=citation(comparison),
        judged=judged,
        quality_bound="most" if standing.score and standing.score.sign < 0 else "least",
        choosable=len(standing.competing) > 1,
        sections=sections(whole),
        measures=_measures(standing),
        version=text.clean(header.environment.versions.get("llmbench", "")),
        timed=standing.timed,
        budget=f"{standing.budget / memory_unit(standing)[1]:.6g}" if standing.budget else "",
        state=state(whole, standing, cells, judged),
    )


def _subject(comparison: Comparison) -> tuple[str, ...]:
    """What was compared, on what, when: the line above the answer."""
    cells = comparison.header.plan.cells
    models = dict.fromkeys(p.cell.model.id + p.cell.model.start for p in cells)
    tasks = dict.fromkeys(p.cell.task for p in cells)
    facts = [", ".join(models), ", ".join(tasks), comparison.header.environment.device_name]
    return tuple(text.cut(p, 80) for p in [*facts, _day(comparison.header.created_at)] if p)


def _day(stamp: str) -> str:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return f"{moment.day} {moment:%B %Y}"


def _few(standing: Standing, conclusion: Answer, whole: Table) -> Table:
    """The rows of the first screen, with their main figures."""
    score = standing.score.id if standing.score else ""
    timed = conclusion.pick and score and choice(standing).by == "time"
    last = TIME_TO_QUALITY if timed else "trainable_parameters"
    wanted = (score, "peak_memory_bytes", "train_tokens_per_second", last)
    kept = [n for n, column in enumerate(whole.columns) if column.id and column.id in wanted]
    rows = {row.number: row for row in whole.rows}
    variants = first.rivals(standing, conclusion.pick)
    few = [rows[standing.numbers[variant.id]] for variant in variants]
    return Table(
        "The pick beside others",
        tuple(whole.columns[n] for n in kept),
        tuple(
            replace(
                row,
                number=0,
                cause=_role(variant, conclusion, standing),
                values=tuple(replace(row.values[n], beside="") for n in kept),
                details=(),
            )
            for row, variant in zip(few, variants, strict=True)
        ),
        style="cells few",
    )


def _key(few: Table) -> str:
    """How to read the first screen's table, as far as there is anything of it."""
    values = [value for row in few.rows for value in row.values]
    bracketed = any(value.detail.startswith("[") for value in values)
    marked = any(value.mark for value in values)
    return " ".join([INTERVALS] * bracketed + [BLUE] * marked)


def _role(variant: Variant, conclusion: Answer, standing: Standing) -> str:
    """What a row of the first screen is there for."""
    if not variant.cell.trains:
        return "without training"
    if variant is conclusion.pick:
        return "the pick"
    if not standing.score:
        fastest = "the fastest" if variant in standing.fastest()[:1] else ""
        return "the least memory" if variant is standing.smallest() else fastest
    if conclusion.pick and standing.quality_of(variant) == standing.quality_of(conclusion.pick):
        return "the same quality"
    if variant is standing.best:
        return f"the {phrases.top(standing)} {phrases.label(standing)}"
    return "the runner-up" if conclusion.pick else ""


def _charts(standing: Standing, conclusion: Answer) -> tuple[Chart, ...]:
    more = (
        learning_curves(standing, conclusion.pick),
        loss_curves(standing, conclusion.pick),
        step_times(standing, conclusion.pick),
        memory_per_phase(standing, conclusion.pick),
        peak_stacks(standing, conclusion.pick),
    )
    return (*scatters(standing, conclusion.pick), *(chart for chart in more if chart))


def _measures(standing: Standing) -> tuple[Fact, ...]:
    """Every figure and what it means."""
    variants = standing.variants
    measured = [
        f for f in scores(standing.records) if any(score_value(f, a) is not None for a in variants)
    ]
    return tuple(
        Fact(f.label, f.meaning, f.better)
        for f in (
            *measured,
            *FIGURES,
            *AFTER_PUBLIC,
            *([time_to_quality({})] if standing.times else []),
            *scaling.figures(standing.records),
        )
    )
