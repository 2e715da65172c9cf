"""Phrases that the answer is made of: an arm's figures, a difference, the rule."""

from __future__ import annotations

from llmbench.arm import Arm
from llmbench.figure import BY_ID
from llmbench.format import size
from llmbench.judge.check import unchecked
from llmbench.report import field, words
from llmbench.report.standing import Standing
from llmbench.statistics.need import Need
from llmbench.statistics.verdict import Verdict

SPEED = field.SPEED


def rule(standing: Standing) -> str:
    """How the pick is made, in plain words."""
    count = f"{len(standing.competing)} of {words.plural(len(standing.arms), row(standing))}"
    well = "ended well with every seed" if standing.several_seeds else "ended well"
    started = "" if unchecked(standing.records) else "started from the base model's loss "
    who = (
        f"A {row(standing)} competes if it trains, {well}, {started}and "
        "has every figure that counts; "
        f"{count} {'does' if len(standing.competing) == 1 else 'do'}."
    )
    if not standing.competing:
        return who
    if standing.score is None:
        return (
            f"{who} The fastest has the most non-padding tokens per second; another counts as "
            "equally fast unless the times of the same steps, corrected for the number of "
            "comparisons (Holm), tell them apart."
        )
    return (
        f"{who} The best is the highest mean {standing.score.label}. A {row(standing)} counts as "
        f"level with it unless {_test(standing)}, corrected for the number of "
        "comparisons (Holm), and the 95 % interval of the paired difference both tell them "
        f"apart. Of those that are level, the one with the least {standing.memory_word} is picked."
    )


def row(standing: Standing) -> str:
    """What a row of the table is: a cell, or with several seeds a composition."""
    return "composition" if standing.several_seeds else "cell"


def _test(standing: Standing) -> str:
    over = "a test over the seeds and" if standing.several_seeds else "a sign-flip test on"
    return f"{over} the same examples"


def label(standing: Standing) -> str:
    """What quality is called here."""
    return standing.score.label if standing.score else ""


def quality(standing: Standing, arm: Arm) -> str:
    """An arm's quality."""
    value = standing.quality_of(arm)
    return (
        words.DASH
        if value is None or not standing.score
        else words.figure_value(standing.score, value)
    )


def spread(standing: Standing, arm: Arm) -> str:
    """The interval of an arm's quality, with a space before it."""
    found = words.bounds(BY_ID["rougeL"], standing.quality.get(arm.id))
    return f" {found}" if found else ""


def memory(arm: Arm) -> str:
    """An arm's peak memory."""
    return size(field.memory(arm) or 0.0)


def speed(arm: Arm) -> str:
    """An arm's training speed."""
    return words.figure_value(SPEED, field.speed(arm) or 0.0)


def difference(standing: Standing, verdict: Verdict) -> str:
    """How far an arm is from the best, and what the correction did to that."""
    text = f"difference {words.difference(verdict.difference)}"
    if verdict.difference.beyond_zero and verdict.word == "not distinguishable":
        # The interval alone would say otherwise: show what the correction did.
        count = len(standing.verdicts)
        return f"{text}, p = {verdict.p_value:.2f} after correction for {count} comparisons"
    return text


def takes(need: Need) -> str:
    """What it would take to tell a difference, in a sentence."""
    small = f"a difference of {need.difference:g}"
    if need.met:
        return f"{_held(need)} would tell {small}, if there were one."
    ways = []
    if need.more_examples is not None:
        ways.append(f"about {words.rounded_up(need.more_examples)} examples")
    if need.more_seeds is not None:
        ways.append(words.plural(need.more_seeds - need.seeds, "more seed"))
    if not ways:
        count = "one seed" if need.seeds == 1 else words.plural(need.seeds, "seed")
        return f"No number of examples of {count} would tell {small}."
    text = f"{' or '.join(ways)} would tell {small}."
    return text[0].upper() + text[1:]


def _held(need: Need) -> str:
    seeds = "" if need.seeds == 1 else f" with {words.plural(need.seeds, 'seed')}"
    return f"The {words.plural(need.examples, 'example')}{seeds} at hand"
