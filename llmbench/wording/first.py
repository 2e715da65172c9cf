"""What the first screen says beside the answer: its basis, how sure it is, what is what."""

from __future__ import annotations

from llmbench import text
from llmbench.analysis import field
from llmbench.analysis.standing import Standing
from llmbench.analysis.tuning import searches
from llmbench.plugin import registry
from llmbench.record.comparison import Comparison
from llmbench.record.variant import Variant
from llmbench.wording import phrases

LEAST_SURE = 3
"""Seeds from which the luck of training can be told from the method."""


def basis(whole: Comparison, standing: Standing) -> str:
    """What the figures rest on, in a sentence; empty where nothing competes."""
    if not standing.competing:
        return ""
    first = standing.competing[0].first
    trainings = text.extent(standing.seed_counts)
    times = "1 training" if trainings == "1" else f"{trainings} trainings"
    counts = [f"{times} of each method ({text.plural(first.cell.settings.steps, 'step')})"]
    if first.examples:
        counts.append(text.plural(len(first.examples), "evaluated example"))
    return f"It rests on {text.listed(counts)}; {_rates(whole, standing)}."


def _rates(whole: Comparison, standing: Standing) -> str:
    """How the methods came to their learning rates."""
    counts = sorted({len(s.tries) for s in searches(whole.tried.records).values()})
    if counts:
        return f"each method at its best of {text.extent(counts)} learning rates"
    if standing.tuned:
        return "each method at the learning rate that was found for it on this model before"
    return "at the given learning rates, which may suit some methods better than others"


def trust(standing: Standing, pick: Variant | None) -> str:
    """How far the pick can be trusted, in a sentence; empty without one."""
    best = standing.best
    if pick is None or best is None or standing.score is None:
        return ""
    if standing.one_seed:
        return (
            "Not sure yet: each method was trained once, and one training cannot tell a better "
            f"method from a luckier one. {_more(standing)}"
        )
    others = [variant for variant in standing.fitting if variant is not pick]
    undecided = standing.undecided(pick)
    level = [variant for variant in standing.level() if variant in others]
    label = standing.score.label
    if undecided:
        some = f"{len(undecided)} of " if len(undecided) < len(others) else ""
        need = standing.power(pick)
        return (
            f"Not sure: it is undecided whether {some}the "
            f"{text.plural(len(others), 'other method')} have a better or a worse {label}. "
            f"{phrases.takes(need) if need else _more(standing)}"
        )
    if level:
        return (
            f"Sure within {standing.margin:g} {label}: {text.plural(len(level), 'other')} differ "
            "from it by less, and every other method is worse."
        )
    return "Sure: no other method reaches its quality, with the error of the whole page at 5 %."


def _more(standing: Standing) -> str:
    """What would make it surer, unless that was done already."""
    return f"More seeds tell (--seeds {max(LEAST_SURE, *standing.seed_counts)})."


def meanings(standing: Standing) -> tuple[tuple[str, str], ...]:
    """Each strategy that is compared, and what it does, as whoever offers it says."""
    offered = registry().strategies.items()
    members = dict.fromkeys(m.id for variant in standing.variants for m in variant.cell.members)
    return tuple(
        (text.clean(member), text.clean(offered[member].summary))
        for member in members
        if member in offered
    )


def rivals(standing: Standing, pick: Variant | None, most: int = 2) -> tuple[Variant, ...]:
    """The pick, who comes next to it, and the untrained model, as far as there are any."""
    of = standing.quality_of if standing.score else field.speed
    ranked = sorted(standing.competing, key=lambda variant: -(of(variant) or 0.0))
    first = [pick] if pick else []
    base = [variant for variant in standing.variants if not variant.cell.trains and variant.well]
    return (*list(dict.fromkeys([*first, *ranked]))[:most], *base[:1])
