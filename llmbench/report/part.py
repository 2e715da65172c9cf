"""What each part does: a row for every place in which its effect was seen, and a chart of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmbench.judge import attribution
from llmbench.judge.attribution import MOST_EFFECTS, Effect
from llmbench.report import bar, canvas, effect, interaction, words
from llmbench.report.canvas import Scale
from llmbench.report.chart import MOST_ROWS, Chart, chart, unique
from llmbench.report.standing import Standing
from llmbench.report.table import Value


@dataclass(frozen=True)
class Row:
    """One part in one place; backticks stand around names."""

    part: str
    where: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Parts:
    """All that is known of the parts."""

    header: tuple[str, ...]
    """Of the columns behind part and place."""
    rows: tuple[Row, ...]
    interactions: tuple[str, ...]
    notes: tuple[str, ...]
    chart: Chart


def parts(standing: Standing) -> Parts | None:
    """The parts of the competing compositions; None where no two differ in one alone."""
    score = standing.score.id if standing.score else None
    found = attribution.effects(standing.competing, score, standing.margin)
    if not found:
        return None
    columns = {_memory_label(standing): effect.memory}
    if any(e.speed_share is not None for e in found):
        columns["Training speed"] = effect.speed
    if standing.score and any(e.quality for e in found):
        columns[standing.score.label] = effect.quality
    rows = (
        Row(effect.name(e.part), effect.where(e), tuple(of(e) for of in columns.values()))
        for e in found
    )
    return Parts(
        tuple(columns),
        tuple(rows),
        interaction.sentences(found, standing),
        tuple(_notes(found, standing)),
        _chart(found, standing),
    )


def _memory_label(standing: Standing) -> str:
    word = standing.memory_word
    return word[0].upper() + word[1:]


def _notes(found: Sequence[Effect], standing: Standing) -> Iterator[str]:
    judged = max(sum(bool(e.speed) for e in found), sum(bool(e.quality) for e in found))
    if judged:
        yield (
            "In brackets: 95 % intervals. Undecided is what chance could do as well, corrected for "
            f"{words.plural(judged, 'row')} (Holm); as good is a quality that changes by less than "
            f"{standing.margin:g}."
        )
    if not standing.cuda:
        yield "Host memory scatters from run to run: a change of some percent of it says nothing."
    bundles = {m.id: m.bundle for arm in standing.competing for m in arm.cell.members if m.bundle}
    for member, joined in bundles.items():
        yield f"{words.code(member)} counts as one part, and joins {words.listed(joined)}."
    if len(found) == MOST_EFFECTS:
        yield f"Only the first {MOST_EFFECTS} are shown."


def _chart(found: Sequence[Effect], standing: Standing) -> Chart:
    shown = found[:MOST_ROWS]
    names = unique([_row_name(e) for e in shown])
    rows = standing.numbers
    numbers = {a.cell.composition: rows[a.id] for a in reversed(standing.competing)}
    values: canvas.Data = [
        {
            "name": row,
            "phase": panel,
            "x": 100 * change,
            "colour": canvas.ACCENT if good else canvas.SOFT,
            "says": f"[{numbers[e.after]}] {row}, {panel}: {words.share(change)}",
        }
        for e, row in zip(shown, names, strict=True)
        for panel, change, good in _changes(e, standing)
    ]
    panels = tuple(dict.fromkeys(v["phase"] for v in values))
    ends = [0.0, *(v["x"] for v in values)]
    room = 0.05 * (max(ends) - min(ends)) or 1.0
    scale = Scale("Change, %", min(ends) - room, max(ends) + room)
    return chart(
        "parts",
        "What each part changes",
        f"Bars of the change in {' and '.join(panels)} by {words.plural(len(shown), 'part')}.",
        "Change in percent of what it is without the part; the accent is for the better."
        + (f" {len(found) - len(shown)} more are in the table only." if found[MOST_ROWS:] else ""),
        ((), ()),
        lambda: bar.bars(values, names, panels, scale),
    )


def _changes(found: Effect, standing: Standing) -> Iterator[tuple[str, float, bool]]:
    """Panel, change as a share, and whether it is for the better."""
    yield standing.memory_word, found.memory_share, found.memory_share < 0
    if found.speed_share is not None:
        better = found.speed.word == "better" if found.speed else found.speed_share > 0
        yield "training speed", found.speed_share, better


def _row_name(found: Effect) -> str:
    """`4-bit, lora`: short enough for an axis."""
    added, old = found.part.added, found.part.instead_of
    head = f"{added} for {old}" if old else added
    beside = found.rest if old else found.before
    return words.clean(f"{head}, {beside}" if beside else head)
