"""Phrases that the answer is made of: an arm's figures, a difference, the rule."""

from __future__ import annotations

from llmbench import text as words
from llmbench.analysis import field
from llmbench.analysis.checks import unchecked
from llmbench.analysis.choice import choice
from llmbench.analysis.pick import SAME
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.need import Need
from llmbench.analysis.statistics.verdict import Verdict
from llmbench.record.arm import Arm
from llmbench.text import size
from llmbench.units import spoken
from llmbench.wording import figures

SPEED = field.SPEED


def rule(standing: Standing) -> str:
    """How the pick is made, in plain words."""
    who = _who(standing)
    if not standing.competing:
        return who
    if standing.score is None:
        return (
            f"{who} The fastest has the most non-padding tokens per second; another counts as "
            "equally fast unless the 95 % interval of their ratio, which holds for all pairs "
            "together, leaves one out."
        )
    return f"{who} {_verdicts(standing)} {_pick(standing)}"


def _who(standing: Standing) -> str:
    """Who competes, and how many do."""
    wanted = [
        "trains",
        "ended well with every seed" if standing.several_seeds else "ended well",
        *([] if unchecked(standing.records) else ["started from the base model's loss"]),
        *(["learnt"] if any(r.validation for r in standing.records) else []),
        "has every figure that counts",
    ]
    count = f"{len(standing.competing)} of {words.plural(len(standing.arms), row(standing))}"
    verb = "does" if len(standing.competing) == 1 else "do"
    return f"A {row(standing)} competes if it {words.listed(wanted)}; {count} {verb}."


def _verdicts(standing: Standing) -> str:
    return (
        f"The best is the {top(standing)} mean {label(standing)}. Another is as good if the 90 % "
        f"interval of the paired difference lies within {standing.margin:g} of zero over two seeds "
        f"or more (two one-sided tests), and else worse if {_test(standing)}, corrected for the "
        "number of comparisons (Holm), and the 95 % interval both say so. All others are undecided."
    )


def _pick(standing: Standing) -> str:
    to_quality = (
        f" to quality, a validation loss of {standing.goal:.3f},"
        if standing.goal and choice(standing).by == "time"
        else ""
    )
    limit = f" that need {spoken(standing.budget)} or less and" if standing.budget else " that"
    return (
        f"Of those{limit} are as good or undecided, the fastest{to_quality} is picked, and of any "
        f"within {100 * SAME:.0f} % of it, or not told apart from it, the one with the least "
        f"{standing.memory_word}."
    )


def row(standing: Standing) -> str:
    """What a row of the table is, to a person: a composition, with all its seeds."""
    return "method"


def _test(standing: Standing) -> str:
    over = "a test over the seeds and" if standing.several_seeds else "a sign-flip test on"
    return f"{over} the same examples"


def label(standing: Standing) -> str:
    """What quality is called here."""
    return standing.score.label if standing.score else ""


def top(standing: Standing) -> str:
    """Which end of the score is the better one."""
    return "lowest" if standing.score and standing.score.sign < 0 else "highest"


def quality(standing: Standing, arm: Arm) -> str:
    """An arm's quality."""
    value = standing.quality_of(arm)
    return (
        words.DASH
        if value is None or not standing.score
        else figures.figure_value(standing.score, value)
    )


def spread(standing: Standing, arm: Arm) -> str:
    """The interval of an arm's quality, with a space before it."""
    if standing.score is None:
        return ""
    found = figures.bounds(standing.score, standing.quality.get(arm.id))
    return f" {found}" if found else ""


def memory(arm: Arm) -> str:
    """An arm's peak memory."""
    return size(field.memory(arm) or 0.0)


def speed(arm: Arm) -> str:
    """An arm's training speed."""
    return figures.figure_value(SPEED, field.speed(arm) or 0.0)


def difference(standing: Standing, verdict: Verdict) -> str:
    """How far an arm is from the best, and what the correction did to that."""
    text = f"difference {figures.difference(verdict.difference)}"
    if verdict.difference.beyond_zero and verdict.word == "undecided":
        # The interval alone would say otherwise: show what the correction did.
        count = len(standing.verdicts)
        return f"{text}, p = {verdict.p_value:.2f} after correction for {count} comparisons"
    return text


def takes(need: Need) -> str:
    """What it would take to tell a difference, in a sentence; seeds first, which tell most."""
    small = f"a difference of {need.difference:g}"
    if need.met:
        return f"{_held(need)} mostly tell {small}: more seeds (--seeds) would decide this one."
    ways = []
    if need.more_seeds is not None:
        ways.append(words.plural(need.more_seeds - need.seeds, "more seed"))
    if need.more_examples is not None:
        ways.append(f"about {words.rounded_up(need.more_examples)} examples")
    if not ways:
        return f"No sensible number of seeds or examples would tell {small}."
    text = f"{' or '.join(ways)} would tell {small}."
    return text[0].upper() + text[1:]


def _held(need: Need) -> str:
    examples, seeds = words.plural(need.examples, "example"), words.plural(need.seeds, "seed")
    return f"The {examples} with {seeds} at hand"
