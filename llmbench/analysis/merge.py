"""Several comparisons as one: all their cells, and what keeps them from being compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from llmbench.analysis import facts
from llmbench.record import example_ids
from llmbench.record.comparison import Comparison, Header, Plan
from llmbench.record.record import Record
from llmbench.record.timed import Timed
from llmbench.text import clean, code, listed


@dataclass(frozen=True)
class Attempt:
    """A record, and the comparison that holds it."""

    record: Record
    label: str
    moment: str
    """When it started, or when its comparison was made if it never did; UTC, ISO 8601."""


def merge(comparisons: Sequence[Comparison]) -> Comparison:
    """One comparison of every cell, the header of the first, and notices of what differs.

    A cell that several of them hold is there once, as its newest attempt.
    """
    if len(comparisons) == 1:
        return comparisons[0]
    by_label = dict(zip(labels([c.header.name for c in comparisons]), comparisons, strict=True))
    attempts = _attempts(by_label)
    records = [_newest(tries).record for tries in attempts.values()]
    home = _evaluated(comparisons[0])
    return Comparison(
        header=_header(by_label, attempts),
        records=tuple(example_ids.with_own_ids(r, home) for r in records),
        inputs={k: text for c in reversed(comparisons) for k, text in _inputs(c, home).items()},
        problems=tuple(f"{label}: {p}" for label, c in by_label.items() for p in c.problems),
    )


def labels(names: Sequence[str]) -> list[str]:
    """The names, numbered where several are alike."""
    return [
        f"{name} ({names[:i].count(name) + 1})" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def _header(
    by_label: Mapping[str, Comparison], attempts: Mapping[str, Sequence[Attempt]]
) -> Header:
    headers = [c.header for c in by_label.values()]
    planned = {p.cell.id: p for h in reversed(headers) for p in h.plan.cells}
    order = dict.fromkeys(p.cell.id for h in headers for p in h.plan.cells)
    differences = facts.differences({label: c.reported.records for label, c in by_label.items()})
    notices = [
        f"Merged from {listed(list(by_label))}.",
        *map(str, differences),
        *facts.consequences(differences),
        *_superseded(attempts),
        *(notice for h in headers for notice in h.notices),
    ]
    return headers[0].model_copy(
        update={
            "name": " + ".join(by_label),
            "command": "\n".join(dict.fromkeys(h.command for h in headers)),
            "plan": Plan(cells=tuple(planned[cell_id] for cell_id in order)),
            "notices": tuple(dict.fromkeys(clean(n) for n in notices)),
            "warnings": tuple(dict.fromkeys(w for h in headers for w in h.warnings)),
            "timed": _timed(headers),
        }
    )


def _timed(headers: Sequence[Header]) -> Timed | None:
    """Of those with a time budget, the one that allows for least error, with all that they gave up.

    Whoever looked several times is not to be surer for that the pages are laid together.
    """
    raced = [h.timed for h in headers if h.timed]
    if not raced:
        return None
    given_up = tuple(dict.fromkeys(g for timed in raced for g in timed.given_up))
    strictest = min(raced, key=lambda timed: timed.level)
    return strictest.model_copy(update={"given_up": given_up})


def _attempts(by_label: Mapping[str, Comparison]) -> dict[str, list[Attempt]]:
    """Every attempt at each cell, by cell id."""
    attempts: dict[str, list[Attempt]] = {}
    for label, comparison in by_label.items():
        for record in comparison.records:
            moment = record.started_at or comparison.header.created_at
            attempts.setdefault(record.cell.id, []).append(Attempt(record, label, moment))
    return attempts


def _newest(attempts: Sequence[Attempt]) -> Attempt:
    return max(attempts, key=lambda a: (a.moment, a.record.attempt))


def _superseded(attempts: Mapping[str, Sequence[Attempt]]) -> Iterator[str]:
    """A sentence for each comparison whose attempts are shown instead of others'."""
    shown: dict[str, list[str]] = {}
    for tries in attempts.values():
        if any(a.record != tries[0].record for a in tries):
            newest = _newest(tries)
            shown.setdefault(newest.label, []).append(code(newest.record.cell.name))
    for label, names in shown.items():
        yield (
            f"Run in more than one of them: {listed(names)}. "
            f"Only the newest attempt is shown, that of {label}."
        )


def _evaluated(comparison: Comparison) -> str:
    """Hash of the evaluation data that the comparison's inputs are of."""
    cells = [p.cell for p in comparison.header.plan.cells] + [r.cell for r in comparison.records]
    return example_ids.home(cells)


def _inputs(comparison: Comparison, home: str) -> dict[str, str]:
    data = _evaluated(comparison)
    return {example_ids.own_id(name, data, home): text for name, text in comparison.inputs.items()}
