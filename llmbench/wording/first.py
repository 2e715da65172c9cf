"""What the first screen says beside the answer: its cost, how sure it is, what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmbench import text, units
from llmbench.analysis import field
from llmbench.analysis.choice import picked
from llmbench.analysis.standing import Standing
from llmbench.analysis.tuning import searches
from llmbench.estimate.forecast import GPUS, OUTSIDE_BYTES, TIGHT_SHARE
from llmbench.plugin import registry
from llmbench.record.comparison import Comparison
from llmbench.record.figure import BY_ID
from llmbench.record.record import Record
from llmbench.record.variant import Variant
from llmbench.wording import phrases

LEAST_SURE = 3
"""Seeds from which the luck of training can be told from the method."""


def basis(whole: Comparison, standing: Standing) -> str:
    """What the figures rest on, in a sentence; empty where nothing competes."""
    if not standing.competing:
        return ""
    first = standing.competing[0].first
    trainings = units.extent(standing.seed_counts)
    times = "once" if trainings == "1" else f"{trainings} times"
    steps = text.plural(first.cell.settings.steps, "step")
    trained = f"Each method was trained {times} for {steps}"
    evaluated = (
        f" and evaluated on {text.plural(len(first.examples), 'example')}" if first.examples else ""
    )
    score = standing.score
    if score is None:
        return f"{trained}{evaluated}."
    return (
        f"{trained}, {_rates(whole, standing)},{evaluated}. Quality is {score.label}: "
        f"{score.meaning}; {score.better} is better."
    )


def cost(standing: Standing, pick: Variant | None) -> str:
    """What the pick takes, and what needs least memory, in sentences; empty where nothing fits.

    A GPU is enough for training where the most that was allocated up to its end, and what a process
    holds beside it, leave some room, as `llmbench estimate` reckons. Evaluation may need more, by
    batches whose size changes no result.
    """
    if not standing.competing:
        return ""
    sentences = [f"{', '.join(_costs(standing, pick))}."] if pick else []
    least = standing.smallest()
    if least is not pick:
        enough = _enough(standing, least)
        enough = "" if pick and enough == _enough(standing, pick) else enough
        need = phrases.memory(least) + (f" ({enough})" if enough else "")
        sentences.append(f"The least {_memory(standing)} is {need}, with {standing.name(least)}.")
    if not standing.cuda:
        sentences.append(
            "This run used no GPU; `llmbench estimate --gpu 16GB` tells what fits one of 16 GB."
        )
    return " ".join(sentences)


def _costs(standing: Standing, pick: Variant) -> Iterator[str]:
    facts = ["the least of all"] if standing.smallest() is pick else []
    facts += [enough] if (enough := _enough(standing, pick)) else []
    yield f"{phrases.memory(pick)} of {_memory(standing)}" + (
        f" ({'; '.join(facts)})" if facts else ""
    )
    seconds, disk = (pick.mean(BY_ID[name].of) for name in ("train_seconds", "artifact_bytes"))
    if seconds is not None:
        yield f"{units.seconds(seconds)} of training"
    if disk:
        yield f"{units.size(disk)} on disk"


def _memory(standing: Standing) -> str:
    return "GPU memory" if standing.cuda else "RAM"


def _enough(standing: Standing, variant: Variant) -> str:
    """`a GPU of 16 GB is enough`; empty without one, or where none is."""
    if not standing.cuda:
        return ""
    need = max(map(_allocated, variant.counted), default=0) + OUTSIDE_BYTES
    enough = [g for g in GPUS.values() if need <= TIGHT_SHARE * g.memory_bytes]
    if not enough:
        return ""
    # Of those that are sold with as much memory, some have less of it to use.
    short = {g.nominal for g in GPUS.values() if g not in enough}
    sure = [g for g in enough if g.nominal not in short]
    if not sure:
        return ""
    ranks, kind = len(variant.first.ranks), sure[0].nominal
    which = f"{ranks} GPUs of {kind} are enough" if ranks > 1 else f"a GPU of {kind} is enough"
    loading, training = (
        max(_allocated(r, [phase]) for r in variant.counted) for phase in ("load", "train")
    )
    if loading <= training:
        return which
    random = variant.first.cell.model.weights == "random"
    why = ": random weights are made before they are quantised" if random else ""
    return f"{which}, as loading takes {units.size(loading)}{why}"


def _allocated(record: Record, phases: Sequence[str] = ("load", "prepare", "train")) -> int:
    """The most that was allocated in any of these phases, in bytes."""
    held = (record.phases[p].memory.allocated_bytes for p in record.phases if p in phases)
    return max((h or 0 for h in held), default=0)


def _rates(whole: Comparison, standing: Standing) -> str:
    """How each method came to its learning rate."""
    counts = sorted({len(s.tries) for s in searches(whole.tried.records).values()})
    if counts:
        return f"at its best of {units.extent(counts)} learning rates"
    if standing.tuned:
        return "at the learning rate found for it on this model beforehand"
    return "at a given learning rate, which may suit some methods better than others"


def trust(standing: Standing, pick: Variant | None) -> str:
    """How far the pick can be trusted, in a sentence; empty without one."""
    if standing.competing and standing.score is None:
        return f"Of speed and memory only: {phrases.no_quality(standing)}."
    if pick is None or standing.best is None:
        return ""
    if standing.one_seed:
        once = "each method was trained once"
        if standing.seed_counts != [1]:
            once = "no other method has two seeds in common with the best"
        return (
            f"Not sure yet: {once}, and one training cannot tell a better method from a luckier "
            f"one. {_more(standing)}"
        )
    others = [variant for variant in standing.fitting if variant is not pick]
    undecided = standing.undecided(pick)
    level = [variant for variant in standing.level() if variant in others]
    label = phrases.label(standing)
    if undecided:
        some = f"{len(undecided)} of the {len(others)} other methods are not shown to be"
        shown = "no method is shown to be" if len(undecided) == len(others) else some
        need = standing.power(pick)
        return (
            f"Quality: {shown} better or worse. "
            f"{phrases.takes(need, standing) if need else _more(standing)}{_speed(standing)}"
        )
    if level:
        names = text.listed([standing.name(variant) for variant in level], 4)
        verb = "is" if len(level) == 1 else "are"
        rest = ", and every other method is worse" if len(level) < len(others) else ""
        return (
            f"Sure of quality: {names} {verb} within {standing.margin:g} {label} of it{rest}."
            f"{_speed(standing)}"
        )
    return "Sure: every other method is worse, with at most a 5 % chance that this page is wrong."


def _speed(standing: Standing) -> str:
    """Whether what is picked for its speed is told from the others in that; empty where it is not
    picked for that.
    """
    choice = picked(standing)
    if not choice.by or not choice.others:
        return ""
    what, better = (
        ("Time to quality", "shorter") if choice.by == "time" else ("Training speed", "higher")
    )
    if choice.equal == 1:
        return f" {what}: {better} than the others' by more than chance."
    return (
        f" {what}: {choice.equal} methods may be equal; of these it needs the least "
        f"{standing.memory_word}."
    )


def _more(standing: Standing) -> str:
    """What would make it surer, unless that was done already."""
    way = phrases.way(standing, max(LEAST_SURE, *standing.seed_counts))
    return f"Train each with more seeds to know ({way})."


def meanings(standing: Standing, pick: Variant | None) -> tuple[tuple[str, str], ...]:
    """Each strategy that is compared, and what it does, as whoever offers it says.

    Those of the first rows come first.
    """
    offered = registry().strategies.items()
    ordered = [*rivals(standing, pick), *standing.variants]
    members = dict.fromkeys(m.id for variant in ordered for m in variant.cell.members)
    return tuple(
        (text.clean(member), text.clean(offered[member].summary))
        for member in members
        if member in offered
    )


def rivals(standing: Standing, pick: Variant | None, most: int = 2) -> tuple[Variant, ...]:
    """The pick, who comes next to it, and the untrained model, as far as there are any.

    Without quality it is the fastest and the one that needs the least memory who are spoken of.
    """
    of = standing.quality_of if standing.score else field.speed
    ranked = sorted(standing.competing, key=lambda variant: -(of(variant) or 0.0))
    first = [pick] if pick else []
    if standing.competing and not standing.score:
        first += [*standing.fastest()[:1], standing.smallest()]
    base = [
        variant
        for variant in standing.variants
        if not variant.cell.trains and variant.well and variant.cell.model.weights != "scratch"
    ]
    return (*list(dict.fromkeys([*first, *ranked]))[:most], *base[:1])
