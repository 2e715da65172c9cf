"""What a time budget made of a comparison, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from llmbench import text
from llmbench.analysis.standing import Standing
from llmbench.record.comparison import Comparison
from llmbench.record.record import Record
from llmbench.record.timed import GivenUp, Timed
from llmbench.units import extent, seconds, spoken_duration
from llmbench.wording import phrases

NOT_RUN = "Not run: the time budget ended."
"""The reason of a cell of a composition that no time was left for."""
ENDS = {
    "time": "no time was left for another seed of all that were in the race",
    "decided": "further seeds would have decided nothing",
    "seeds": "every seed was used",
}
"""Why a race ended, to follow 'It ended after 12 min, as'."""


def planned(timed: Timed, steps: int) -> str:
    """What the budget has room for, as it was planned by the pilot and the search."""
    return (
        f"Planned for {spoken_duration(timed.seconds)} ({seconds(timed.spent_seconds)} are over): "
        f"{_tries(timed)}{text.plural(timed.examples or 0, 'evaluated example')}, and "
        f"{_seeds(timed)}. Steps stay as they are: {steps} for every method."
    )


def _tries(timed: Timed) -> str:
    if timed.tries is None:
        return ""
    if not timed.tries:
        return "no search for learning rates, which would take more than half of it, "
    return f"{timed.tries} learning rates or more of each arithmetic, "


def _seeds(timed: Timed) -> str:
    if not timed.seeds:
        return "less than one seed of every method: some will not be run"
    if timed.seeds == 1:
        return "one seed of every method, which gives no verdict"
    return (
        f"{timed.seeds} seeds of every method, more of those in the race where others are given up"
    )


def given_up(given: GivenUp) -> str:
    """That a composition was given up, and why: what is said at once."""
    return f"{text.code(given.composition)} is given up {reason(given)}."


def reason(given: GivenUp, name: Callable[[str], str] = text.code) -> str:
    """`after 2 seeds: worse than lora by 0.051 [0.022, 0.080]`; `name` sets what it names."""
    low, high = sorted((abs(given.low), abs(given.high)))
    return (
        f"after {text.plural(given.seeds, 'seed')}: worse than {name(given.leader)} by "
        f"{abs(given.difference):.3f} [{low:.3f}, {high:.3f}]"
    )


def not_run(record: Record) -> bool:
    """Whether the cell was left out for lack of time."""
    return record.status == "skipped" and record.reason == NOT_RUN


def remarks(comparison: Comparison, standing: Standing) -> Iterator[str]:
    """How a time budget was spent, and on what the page rests therefore; nothing without one."""
    timed = comparison.header.timed
    if timed is None:
        return
    ended = f"It ended after {seconds(timed.spent_seconds)}"
    why = f", as {ENDS[timed.end]}" if timed.end else ", before the race was over"
    yield f"The time budget was {spoken_duration(timed.seconds)}. {ended}{why}."
    if timed.looks and standing.score:
        looks = text.listed(list(map(str, timed.looks)))
        yield (
            f"After {looks} seeds, as far as the race went, methods that were clearly worse were "
            "given up. These looks and this page are wrong at most 5 times in 100 together: the "
            f"page's intervals of differences are of {phrases.sure(standing)}."
        )


def given_up_rows(standing: Standing) -> Iterator[str]:
    """Of each that was given up, how, and what its figures are worth."""
    for variant in standing.competing:
        given = standing.given_up.get(variant.id)
        if given:
            yield (
                f"{standing.name(variant)} was given up {reason(given)}. Its figures are of those "
                "seeds. What is given up for a low score had bad luck more often than good: more "
                "seeds would show it a little better."
            )


def in_short(standing: Standing) -> Iterator[str]:
    """For the answer: what rests on fewer seeds than the pick does, and what was never trained."""
    lost = [a for a in standing.competing if a.id in standing.given_up]
    if lost:
        names = text.listed([standing.name(a) for a in lost])
        verb = "was" if len(lost) == 1 else "were"
        counts = extent(sorted({standing.given_up[a.id].seeds for a in lost}))
        seeds = "seed" if counts == "1" else "seeds"
        yield f"{names} {verb} given up after {counts} {seeds}, as clearly worse."
    if missing := left_out(standing):
        yield missing


def left_out(standing: Standing) -> str:
    """Which methods were never trained for lack of time; empty where there are none."""
    names = [standing.name(a) for a in standing.variants if all(map(not_run, a.records))]
    if not names:
        return ""
    verb = "was" if len(names) == 1 else "were"
    return f"{text.listed(names)} {verb} not run, as the time budget ended."
