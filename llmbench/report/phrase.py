"""Phrases that the answer is made of: a cell's figures, a difference, the rule."""

from __future__ import annotations

from llmbench.figure import BY_ID, peak_memory
from llmbench.format import size
from llmbench.record import Record
from llmbench.report import words
from llmbench.report.standing import Standing
from llmbench.statistics import Verdict

SPEED = BY_ID["train_tokens_per_second"]


def rule(standing: Standing) -> str:
    """How the pick is made, in plain words."""
    count = f"{len(standing.competing)} of {words.plural(len(standing.records), 'cell')}"
    who = (
        "A cell competes if it trains, ended well, started from the base model's loss and has "
        f"every figure that counts; {count} {'does' if len(standing.competing) == 1 else 'do'}."
    )
    if not standing.competing:
        return who
    if standing.score is None:
        return (
            f"{who} The fastest has the most non-padding tokens per second; a cell whose interval "
            "overlaps its interval counts as equally fast."
        )
    return (
        f"{who} The best is the highest mean {standing.score.label}. A cell counts as level with "
        "it unless a sign-flip test on the same examples, corrected for the number of "
        "comparisons (Holm), and the 95 % interval of the paired difference both tell them "
        f"apart. Of those that are level, the one with the least {standing.memory_word} is picked."
    )


def label(standing: Standing) -> str:
    """What quality is called here."""
    return standing.score.label if standing.score else ""


def quality(standing: Standing, record: Record) -> str:
    """A cell's quality."""
    value = standing.quality_of(record)
    return (
        words.DASH
        if value is None or not standing.score
        else words.figure_value(standing.score, value)
    )


def spread(standing: Standing, record: Record) -> str:
    """The interval of a cell's quality, with a space before it."""
    found = words.bounds(BY_ID["rougeL"], standing.quality.get(record.cell.id))
    return f" {found}" if found else ""


def memory(record: Record) -> str:
    """A cell's peak memory."""
    return size(peak_memory(record) or 0.0)


def difference(standing: Standing, verdict: Verdict) -> str:
    """How far a cell is from the best, and what the correction did to that."""
    text = f"difference {words.difference(verdict.difference)}"
    beyond = verdict.difference.low > 0 or verdict.difference.high < 0
    if beyond and verdict.word == "not distinguishable":
        # The interval alone would say otherwise: show what the correction did.
        count = len(standing.verdicts)
        return f"{text}, p = {verdict.p_value:.2f} after correction for {count} comparisons"
    return text
