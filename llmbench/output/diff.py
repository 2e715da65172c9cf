"""A diff of two comparisons: as text of 80 columns, as JSON, and as Markdown for a pull request."""

from __future__ import annotations

import json
import math
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from llmbench import text
from llmbench.analysis.diff.change import SIGNIFICANT, Change
from llmbench.analysis.diff.compare import CellDiff, Diff
from llmbench.analysis.diff.rule import Outcome
from llmbench.output import markdown
from llmbench.record.figure import peak_memory_kind, ranking
from llmbench.text import DASH, clean, listed, plural, short
from llmbench.units import signed
from llmbench.wording import figures

SHOWN = (
    "peak_memory_bytes",
    "train_tokens_per_second",
    "generate_tokens_per_second",
    "fit_size",
)
"""Figures that are always shown where they were measured, beside quality."""


def shown(cell: CellDiff, outcomes: Sequence[Outcome]) -> list[Change]:
    """The changes to show of a cell: the main figures, what rules ask for, exact ones that moved.

    A cell that was not measured at all on one side has nothing to show but how it ended.
    """
    if cell.broken and all(c.new is None for c in cell.changes):
        return []
    asked = {*_main(cell), *(o.rule.figure_id for o in outcomes)}
    return [c for c in cell.changes if c.figure.id in asked or c.word == "changed"]


def _main(cell: CellDiff) -> set[str]:
    quality = ranking(cell.pair.records)
    return {*SHOWN, *([quality.id] if quality else [])}


def label(cell: CellDiff, change: Change) -> str:
    """What the figure is called; memory of a host is no GPU's."""
    if change.figure.id == "peak_memory_bytes" and peak_memory_kind(cell.pair.new.first) != (
        "cuda-allocated"
    ):
        return "RAM"
    return clean(change.figure.label)


def values(change: Change) -> tuple[str, str]:
    """Both values with their units."""
    old, new = (
        DASH if v is None else figures.figure_value(change.figure, v)
        for v in (change.old, change.new)
    )
    return old, new


def growth(change: Change) -> str:
    """`+5.2 %`; empty where there is none to speak of."""
    if change.old is None or change.new is None:
        return ""
    if math.isinf(change.percent):
        return "from 0"
    return f"{change.percent:+.1f} %"


def broken_rules(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    """For each rule and each cell that breaks it: the rule, and how."""
    return [
        (outcome.rule.text, f"{cell.name} went {_from_to(change)}")
        for outcome in outcomes
        for cell, change in outcome.broken_by
    ]


def broken_cells(diff: Diff) -> list[tuple[str, str]]:
    """The cells that are no longer well: name, and how that came about."""
    return [(c.name, f"is no longer well. {c.broken}") for c in diff.cells if c.broken]


def others(outcomes: Sequence[Outcome]) -> list[tuple[str, str, str]]:
    """Each rule that nothing breaks: its verdict, the rule, and of what it was not judged."""
    return [
        (
            "holds" if o.judged else "not judged",
            o.rule.text,
            _unjudged(o),
        )
        for o in outcomes
        if not o.broken_by
    ]


def _unjudged(outcome: Outcome) -> str:
    if outcome.unjudged:
        return f"could not be judged of {listed(outcome.unjudged)}."
    return "" if outcome.judged else "it was measured in neither comparison."


def summary(diff: Diff) -> str:
    """How much changed, in a sentence."""
    if not diff.cells:
        return "No method is in both comparisons."
    counts = Counter(h.word for c in diff.cells for h in c.changes if h.figure.id in _main(c))
    moved = [f"{counts[word]} {word}" for word in sorted(SIGNIFICANT) if counts[word]]
    of = f"Of {plural(len(diff.cells), 'method')} in both"
    broken = sum(bool(c.broken) for c in diff.cells)
    if broken:
        moved.append(f"{plural(broken, 'method')} no longer well")
    if not moved:
        return f"{of}, none changed beyond chance in quality, memory or speed."
    return f"{of}, in quality, memory and speed: {listed(moved)}."


def _from_to(change: Change) -> str:
    old, new = values(change)
    score = change.figure.scored
    return f"from {old} to {new} ({signed(change.absolute) if score else growth(change)})"


WIDTH = 80


def as_text(diff: Diff, outcomes: Sequence[Outcome]) -> str:
    """The diff as lines that fit the terminal."""
    lines = [
        *_wrapped("old  ", diff.old),
        *_wrapped("new  ", diff.new),
        *(line for notice in diff.notices for line in _wrapped("Note: ", notice)),
        *(line for cell in diff.cells for line in _cell(cell, outcomes)),
        "",
        *_end(diff, outcomes),
    ]
    return "\n".join(lines) + "\n"


def _cell(cell: CellDiff, outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield ""
    yield short(_line(cell.name), WIDTH)
    old, new = cell.pair.old.ending(), cell.pair.new.ending()
    if {old.partition(",")[0], new.partition(",")[0]} != {"ok"}:
        yield f"  {new}, as before" if old == new else f"  {old} before, {new} now"
    for change in shown(cell, outcomes):
        yield _row(cell, change)


def _row(cell: CellDiff, change: Change) -> str:
    old, new = values(change)
    name = short(_line(label(cell, change)), 18)
    return f"  {name:18} {old:>13} {new:>13} {growth(change):>9}  {change.word}".rstrip()


def _end(diff: Diff, outcomes: Sequence[Outcome]) -> Iterator[str]:
    if diff.missing:
        yield from _wrapped("Only in old: ", listed(diff.missing, 20))
    if diff.added:
        yield from _wrapped("Only in new: ", listed(diff.added, 20))
    yield from _wrapped("", summary(diff))
    for name, how in broken_cells(diff):
        yield from _wrapped("FAILS " if outcomes else "", f"{name} {how}")
    for rule, how in broken_rules(outcomes):
        yield from _wrapped("FAILS ", f"{rule}: {how}")
    for verdict, rule, why in others(outcomes):
        yield from _wrapped(f"{verdict.upper()} ", f"{rule}: {why}" if why else rule)


def _wrapped(start: str, content: str) -> list[str]:
    indent = " " * min(len(start), 6)
    return textwrap.wrap(start + _line(content), WIDTH, subsequent_indent=indent)


def _line(content: str) -> str:
    """The text in one line, without what a terminal would obey."""
    return " ".join(clean(content).split())


def as_json(diff: Diff, outcomes: Sequence[Outcome]) -> str:
    """The diff as a JSON object."""
    content = {
        "old": diff.old,
        "new": diff.new,
        "notices": diff.notices,
        "cells": [_cell_data(c) for c in diff.cells],
        "only_in_old": diff.missing,
        "only_in_new": diff.added,
        "rules": [_rule(o) for o in outcomes],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _cell_data(cell: CellDiff) -> dict[str, Any]:
    made = cell.pair.new.cell
    return {
        "composition": made.composition,
        "model": made.model.id,
        "task": made.task,
        "seeds": [r.cell.seed for r in cell.pair.new.records],
        "fit": made.fit.name if made.fit else None,
        "old_status": cell.pair.old.ending(),
        "new_status": cell.pair.new.ending(),
        "broken": cell.broken or None,
        "figures": {c.figure.id: _change(c) for c in cell.changes},
    }


def _change(change: Change) -> dict[str, Any]:
    both = change.old is not None and change.new is not None
    data: dict[str, Any] = {
        "old": change.old,
        "new": change.new,
        "change": change.absolute if both else None,
        "change_percent": change.percent if both and math.isfinite(change.percent) else None,
        "verdict": change.word,
    }
    if change.verdict:
        difference = change.verdict.difference
        data |= {"interval": [difference.low, difference.high], "p_value": change.verdict.p_value}
    return data


def _rule(outcome: Outcome) -> dict[str, Any]:
    return {
        "rule": outcome.rule.text,
        "figure": outcome.rule.figure_id,
        "verdict": "broken" if outcome.broken_by else "held" if outcome.judged else "not judged",
        "broken_by": [c.name for c, _ in outcome.broken_by],
        "not_judged": outcome.unjudged,
    }


HEADER = ("Method", "Figure", "Old", "New", "Change", "")


def as_markdown(diff: Diff, outcomes: Sequence[Outcome]) -> str:
    """The diff as a table between what it is of and what it comes to."""
    paragraphs = [
        f"Old: {markdown.escape(diff.old)}  \nNew: {markdown.escape(diff.new)}",
        markdown.bold(markdown.escape(summary(diff))),
        _table(diff, outcomes),
        "\n".join(f"- {line}" for line in _lines(diff, outcomes)),
    ]
    return "\n\n".join(p for p in paragraphs if p) + "\n"


def _table(diff: Diff, outcomes: Sequence[Outcome]) -> str:
    rows = [
        [markdown.code(cell.name) if first else "", *_figures(cell, change)]
        for cell in diff.cells
        for first, change in _numbered(shown(cell, outcomes))
    ]
    return markdown.table(HEADER, rows, left=(0, 1, 5)) if rows else ""


def _numbered(changes: Sequence[Change]) -> Iterator[tuple[bool, Change]]:
    return ((number == 0, change) for number, change in enumerate(changes))


def _figures(cell: CellDiff, change: Change) -> list[str]:
    word = markdown.bold(change.word) if change.word in SIGNIFICANT else change.word
    if change.verdict and change.word in SIGNIFICANT:
        word += f" ({figures.difference(change.verdict.difference)})"
    return [markdown.escape(label(cell, change)), *values(change), growth(change), word]


def _lines(diff: Diff, outcomes: Sequence[Outcome]) -> Iterator[str]:
    for rule, how in broken_rules(outcomes):
        yield f"**fails** {markdown.code(rule)}: {markdown.escape(how)}"
    yield from (f"{markdown.code(name)} {markdown.escape(how)}" for name, how in broken_cells(diff))
    for verdict, rule, why in others(outcomes):
        yield f"**{verdict}** {markdown.code(rule)}" + (f": {markdown.escape(why)}" if why else "")
    for which, names in (("old", diff.missing), ("new", diff.added)):
        if names:
            yield f"only in {which}: {text.listed([markdown.code(n) for n in names], 20)}"
    yield from map(markdown.escape, diff.notices)
