"""A section of the report: the slowest step of every method, and how much slower it was."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from llmbench import hookimpl
from llmbench.plugin.section import Content, Section
from llmbench.record.comparison import Comparison

LLMBENCH_HOOKS = 1


def slowest(comparison: Comparison) -> Content | None:
    """A row for each run that trained."""
    rows = []
    for record in comparison.reported.planned:
        if not record.steps:
            continue
        seconds = [step.seconds for step in record.steps]
        longest, usual = max(seconds), median(seconds)
        number = seconds.index(longest) + 1
        rows.append((record.cell.name, f"{number}", f"{longest:.3f} s", f"{longest / usual:.1f}"))
    if not rows:
        return None
    return Content(
        paragraphs=("A step that takes far longer than the median met something else.",),
        header=("Method", "Slowest step", "Its time", "Times the median"),
        rows=tuple(rows),
    )


@hookimpl
def register_sections(register: Callable[[Section], None]) -> None:
    """Offer `slowest-steps`."""
    summary = "the slowest step of every run"
    register(Section("slowest-steps", summary, "Slowest steps", slowest))
