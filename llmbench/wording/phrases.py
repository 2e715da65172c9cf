"""Phrases that the answer is made of: a variant's figures, a difference, the rule."""

from __future__ import annotations

from llmbench import text
from llmbench.analysis import field
from llmbench.analysis.checks import unchecked
from llmbench.analysis.choice import choice
from llmbench.analysis.pick import SAME
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.differences import Need
from llmbench.analysis.statistics.verdict import Verdict
from llmbench.record.figure import SHARE, unseeing
from llmbench.record.variant import Variant
from llmbench.units import size, spoken_size
from llmbench.wording import figures

SPEED = field.SPEED
TARGET = f"the target quality ({100 * SHARE:.0f} % of the best improvement in validation loss)"
"""What it is that those compared are timed to."""


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
    count = f"{len(standing.competing)} of {text.plural(len(standing.variants), row(standing))}"
    verb = "does" if len(standing.competing) == 1 else "do"
    return f"A {row(standing)} competes if it {text.listed(wanted)}; {count} {verb}."


def _verdicts(standing: Standing) -> str:
    best = f"The best is the {top(standing)} mean {label(standing)}."
    if standing.one_seed:
        return f"{best} One seed decides nothing: all others are undecided."
    return (
        f"{best} Intervals of the differences, over seeds and examples, hold for all pairs of the "
        f"page together (Tukey). Another is as good if that of {sure(standing, 2)} lies within "
        f"{standing.margin:g} of zero, else worse if that of {sure(standing)} leaves zero out. "
        "All others are undecided, as are those with fewer than two seeds in common."
    )


def _pick(standing: Standing) -> str:
    to_quality = (
        f" to the target quality, a validation loss of {standing.goal:.3f},"
        if standing.goal and choice(standing).by == "time"
        else ""
    )
    limit = f" that need {spoken_size(standing.budget)} or less and" if standing.budget else " that"
    return (
        f"Of those{limit} are as good or undecided, the fastest{to_quality} is picked; of several "
        f"that may be as fast, or are within {100 * SAME:.0f} % of it, the one with the least "
        f"{standing.memory_word}."
    )


def row(standing: Standing) -> str:
    """What a row of the table is, to a person: a composition, with all its seeds."""
    return "method"


def label(standing: Standing) -> str:
    """What quality is called here."""
    return standing.score.label if standing.score else ""


def top(standing: Standing) -> str:
    """Which end of the score is the better one."""
    return "lowest" if standing.score and standing.score.sign < 0 else "highest"


def quality(standing: Standing, variant: Variant) -> str:
    """A variant's quality."""
    value = standing.quality_of(variant)
    return (
        text.DASH
        if value is None or not standing.score
        else figures.figure_value(standing.score, value)
    )


def no_quality(standing: Standing) -> str:
    """Why nothing is known of quality, as a clause."""
    if any(r.cell.model.weights == "random" for r in standing.records):
        return "the weights are random, so that quality would mean nothing"
    blind = unseeing(standing.records)
    return f"{blind[0].label} cannot see these texts" if blind else "quality was not measured"


def spread(standing: Standing, variant: Variant) -> str:
    """The interval of an variant's quality, with a space before it."""
    if standing.score is None:
        return ""
    bounds = figures.bounds(standing.score, standing.quality.get(variant.id))
    return f" {bounds}" if bounds else ""


def memory(variant: Variant) -> str:
    """A variant's peak memory; of one that took several GPUs, what each of them needs."""
    first = variant.first
    on_gpus = first.environment is not None and first.environment.device == "cuda"
    kind = "GPUs" if on_gpus else "processes"
    each = f" on each of {len(first.ranks)} {kind}" if len(first.ranks) > 1 else ""
    return f"{size(field.memory(variant) or 0.0)}{each}"


def speed(variant: Variant) -> str:
    """A variant's training speed."""
    return figures.figure_value(SPEED, field.speed(variant) or 0.0)


def difference(verdict: Verdict) -> str:
    """How far a variant is from the best."""
    return f"difference {figures.difference(verdict.difference)}"


def told(need: Need) -> str:
    """The difference that a comparison can tell: `0.03`."""
    return f"{need.detectable:.1g}" if need.detectable < 1 else f"{need.detectable:.2g}"


def way(standing: Standing | None, seeds: int | None = None) -> str:
    """What to give for more seeds: `--seeds 3`, or what decides how many there are."""
    timed = standing.time_budget if standing else None
    if timed and timed.end != "seeds":
        return "a longer --time-budget"
    return "--seeds" if seeds is None else f"--seeds {seeds}"


def sure(standing: Standing, times: int = 1) -> str:
    """`95 %`: how often an interval of a difference holds; `times` the chance that it does not."""
    return f"{100 * (1 - times * standing.level_of_error):.3g} %"


def takes(need: Need, standing: Standing | None = None) -> str:
    """What can be told here, and how many seeds would tell more, in a sentence."""
    examples = text.plural(need.examples, "example")
    ability = (
        f"With {need.seeds} trainings (seeds) of each method and {examples}, a difference of "
        f"{told(need)} shows four times in five"
    )
    wanted = f"{need.difference:.2g}"
    if need.met:
        return f"{ability}; more seeds ({way(standing)}) would decide this one."
    if need.wanted is None:
        return (
            f"{ability}. More seeds alone cannot resolve {wanted}; add examples too "
            "(--eval-examples)."
        )
    how = way(standing, need.wanted)
    return f"{ability}; a difference of {wanted} takes {need.wanted} seeds ({how})."
