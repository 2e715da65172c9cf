"""The learning rates that were tried for each method, what each came to, and which was chosen.

A method here is an arithmetic: see `llmbench.analysis.tuning`. `sweep` beside this draws it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmbench import text
from llmbench.analysis.standing import Standing
from llmbench.analysis.tuning import Search, searches
from llmbench.output.html.charts import canvas, loss
from llmbench.output.html.charts.canvas import MOST_ROWS, Chart, chart
from llmbench.output.html.charts.sweep import Searches, Sweep, told
from llmbench.record.arm import Arm
from llmbench.record.record import Record
from llmbench.wording import figures

HEADER = ("Method", "Tried, and the validation loss", "Chosen", "Bracketed", "Tries", "Seed")


def learning_rates(records: Sequence[Record], standing: Standing, pick: Arm | None) -> Chart | None:
    """The chart of the tuning cells; None without any. `standing` is that of the other cells."""
    found = _named(records)
    if not found:
        return None
    shown = dict(list(found.items())[:MOST_ROWS])
    sweep = Sweep(shown, _colours(shown, standing, pick))
    return chart(
        "rates",
        "Learning rates",
        f"Lines of the validation loss of {text.plural(len(shown), 'method')} over the learning "
        "rate; of each, the chosen rate is filled.",
        " ".join([*_caption(found, standing), *sweep.legend, *_doubts(found)]),
        (HEADER, [_row(name, search) for name, search in found.items()]),
        sweep.draw if sweep.losses else None,
    )


def _named(records: Sequence[Record]) -> Searches:
    """Every search by its arithmetic, and the model and the task where they vary."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.cell.model.id, record.cell.task), []).append(record)
    varying = [n for n in (0, 1) if len({key[n] for key in groups}) > 1]
    return {
        text.clean(" · ".join([name, *(key[n] for n in varying)])): search
        for key, held in groups.items()
        for name, search in searches(held).items()
    }


def _colours(shown: Searches, standing: Standing, pick: Arm | None) -> dict[str, str]:
    """The colour that a row of the method has in the chart of losses, or one that is free."""
    used = loss.palette(standing, pick)
    rows = {a.cell.arithmetic: used[a.id] for a in reversed(standing.arms) if a.id in used}
    wanted = {rows[s.arithmetic]: name for name, s in shown.items() if s.arithmetic in rows}
    found = {name: colour for colour, name in wanted.items()}
    free = iter([colour for colour in canvas.SERIES if colour not in wanted])
    return {name: found.get(name) or next(free, canvas.MUTED) for name in shown}


def _caption(found: Searches, standing: Standing) -> Iterator[str]:
    tries = [t.record.cell for search in found.values() for t in search.tries]
    data = dict.fromkeys(cell.validation_data for cell in tries)
    held_out = text.listed([text.plural(d.examples, "held-out example") for d in data if d])
    seeds = sorted({cell.seed for cell in tries})
    shared = set(seeds) & {r.cell.seed for r in standing.records}
    whose = "reported cells have as well" if shared else "no reported cell has"
    yield (
        f"Loss at the end of training, on {held_out or 'held-out examples'}, which are neither "
        f"trained on nor evaluated, with {'seed' if len(seeds) == 1 else 'seeds'} "
        f"{text.listed([str(s) for s in seeds])}, which {whose}."
    )
    yield _effort(found)
    if any(a.cell.arithmetic not in ("", a.cell.composition) for a in standing.arms):
        yield "What changes memory or kernels alone trains at the rate of the method that it joins."


def _effort(found: Searches) -> str:
    """How many tries there were; that they were equally many only where they were."""
    counts: dict[int, list[str]] = {}
    for name, search in found.items():
        counts.setdefault(len(search.tries), []).append(text.code(name))
    if len(counts) == 1:
        whose = "Every method got the same number of tries" if len(found) > 1 else "Tries"
        return f"{whose}: {next(iter(counts))}."
    told = [f"{count} for {text.listed(names)}" for count, names in sorted(counts.items())]
    return f"The number of tries differs: {'; '.join(told)}."


def _doubts(found: Searches) -> Iterator[str]:
    """Which choices are none, or may be beaten by a rate beyond those that were tried."""
    doubts: dict[str, list[str]] = {}
    for name, search in found.items():
        if search.best is None:
            doubts.setdefault("No rate came to a loss", []).append(text.code(name))
        elif not search.bracketed:
            side = "lowest" if search.best is search.tries[0] else "highest"
            doubt = f"Not bracketed, as the {side} rate was the best and a better may lie beyond"
            doubts.setdefault(doubt, []).append(text.code(name))
    yield from (f"{doubt}: {text.listed(names)}." for doubt, names in doubts.items())


def _row(name: str, search: Search) -> list[str]:
    tried = (f"{figures.learning_rate(t.rate)}: {told(t)}" for t in search.tries)
    return [
        name,
        ", ".join(tried),
        figures.learning_rate(search.best.rate) if search.best else "none",
        "yes" if search.bracketed else "no",
        str(len(search.tries)),
        text.listed(sorted({str(t.record.cell.seed) for t in search.tries})),
    ]
