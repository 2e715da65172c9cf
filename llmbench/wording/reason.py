"""Why the one that is picked is picked, what that rests on, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator

from llmbench import text, units
from llmbench.analysis.choice import Picked
from llmbench.analysis.facts import group
from llmbench.analysis.standing import Standing
from llmbench.record.figure import BY_ID
from llmbench.record.variant import Variant
from llmbench.units import spoken_size
from llmbench.wording import figures, phrases, racing

ONE_SEED = "as far as one seed can tell"
"""How far anything can be trusted that one training of each method says."""


def limits(standing: Standing, picked: Picked) -> Iterator[str]:
    """How far the pick can be trusted, in clauses that follow the headline."""
    rivals = standing.undecided(picked.variant)
    if standing.one_seed:
        yield ONE_SEED
    elif rivals:
        need = standing.power(picked.variant)
        said = f" (a difference of {phrases.told(need)} would probably have shown)" if need else ""
        every = len(rivals) == len(standing.fitting) - 1
        names = text.listed([standing.name(variant) for variant in rivals], 2)
        whom = f"the {len(rivals)} others" if every and len(rivals) > 2 else names
        yield f"with no significant difference in {phrases.label(standing)} from {whom}{said}"
    if unlearnt(standing):
        yield "of those that learnt"
    if any(_given_rates(standing)):
        yield "at the given learning rates"


def reasons(standing: Standing, picked: Picked) -> Iterator[str]:
    """Why this one, then what else there is to know before it is taken."""
    yield _level(standing, picked) if picked.others else _alone(standing, picked.best)
    if standing.one_seed:
        yield (
            "One training of each cannot tell a better method from a luckier one: "
            f"{phrases.way(standing, 3)} can."
        )
    yield from _need(standing, picked)
    yield from _expected(standing, picked)
    yield from _tight(standing, picked)
    yield from _beyond_budget(standing, picked.best)
    yield from unranked(standing)
    yield from racing.in_short(standing)
    yield from _given_rates(standing)
    yield from _on_speed(standing, picked)


def unlearnt(standing: Standing) -> list[Variant]:
    """Those that would be in the running, had they learnt."""
    concerned = [variant for variant in standing.variants if standing.finding(variant)]
    alike = {group(variant) for variant in standing.competing}
    return [variant for variant in concerned if not alike or group(variant) in alike]


def unranked(standing: Standing) -> Iterator[str]:
    """Who is missing because it did not learn, and the way out."""
    for variant in unlearnt(standing):
        finding = standing.finding(variant)
        if finding:
            yield f"{standing.name(variant)} did not learn, and is not ranked: {finding.reason}"


def leads(standing: Standing, also: str = "") -> str:
    """What is to be said of the fastest, after its name: no more than its speed can carry."""
    first, *others = standing.fastest()
    at = phrases.speed(first)
    if not others:
        return f"{also}trains fastest, at {at}"
    if len(others) + 1 == len(standing.fitting or standing.competing):
        return f"has the highest speed as measured, {at}, but any other may be as fast"
    names = text.listed([standing.name(variant) for variant in others], 4)
    return f"is {also}among the fastest, at {at} ({names} may be as fast)"


def _level(standing: Standing, picked: Picked) -> str:
    """Why this one of several that are as good or undecided."""
    seen = {standing.word(variant) for variant in picked.others}
    phrase = {"as good": "are as good", "undecided": "do not differ significantly"}
    which = " or ".join(phrase[word] for word in phrase if word in seen)
    if standing.one_seed:
        which = "one training cannot tell apart"
    count = text.plural(len(picked.others) + 1, phrases.row(standing))
    ground = _ground(standing, picked, f"the {count} that {which}")
    if standing.one_seed and picked.equal > len(picked.others):
        what = f"how fast they reach {phrases.TARGET}" if picked.by == "time" else "speed"
        ground = (
            f"One training cannot tell the {count} apart in quality or in {what}; this one needs "
            f"the least {standing.memory_word}, {phrases.memory(picked.variant)}"
        )
    return f"{_lead(standing, picked)}. {ground}."


def _lead(standing: Standing, picked: Picked) -> str:
    """How the pick's quality stands to the best's."""
    label, best, top = phrases.label(standing), picked.best, phrases.top(standing)
    own = phrases.quality(standing, picked.variant)
    if picked.variant is best:
        return f"It has the {top} {label}, {own}{phrases.spread(standing, picked.variant)}"
    verdict = standing.verdicts[picked.variant.id]
    if verdict.difference.low == verdict.difference.high == 0:
        return (
            f"It has the {top} {label}, {own}, the same as {standing.name(best)} on every example"
        )
    other = f"the {top}, {phrases.quality(standing, best)} of {standing.name(best)}"
    difference = f"({phrases.difference(verdict)})"
    if standing.one_seed:
        highest = f"{phrases.quality(standing, best)}, of {standing.name(best)}"
        return f"Its {label} is {own}; the {top} is {highest} {difference}"
    if verdict.word == "as good":
        within = f"within {standing.margin:g}"
        return f"Its {label} of {own} is as good as {other}, {within} {difference}"
    return f"Its {label} of {own} does not differ significantly from {other} {difference}"


def _ground(standing: Standing, picked: Picked, level: str) -> str:
    """What decides among those that are as good or undecided."""
    least = f"the least {standing.memory_word}, {phrases.memory(picked.variant)}"
    if not picked.by:
        return f"Of {level}, it needs {least}"
    reach = f"reach {phrases.TARGET}" if picked.by == "time" else "train"
    if picked.equal > len(picked.others):
        level = f"{level[0].upper()}{level[1:]}"
        return f"{level} {reach} equally fast, as far as can be told; it needs {least}"
    if picked.equal > 1:
        return (
            f"Of {level}, {picked.equal} {reach} about equally fast, and faster than the others; "
            f"of these it needs {least}"
        )
    if picked.by == "time":
        took = units.seconds(standing.time_of(picked.variant) or 0.0)
        whole = picked.variant.mean(BY_ID["train_seconds"].of)
        of = f"its {units.seconds(whole)} of training" if whole else "training"
        return f"Of {level}, it reaches {phrases.TARGET} fastest, after {took} of {of}"
    return f"Of {level}, it trains fastest, at {phrases.speed(picked.variant)}"


def _alone(standing: Standing, best: Variant) -> str:
    """Why the one that nothing is level with."""
    row, quality = phrases.row(standing), phrases.quality(standing, best)
    top = f"the {phrases.top(standing)} {phrases.label(standing)}"
    figures = f"{top}, {quality}{phrases.spread(standing, best)}"
    if len(standing.fitting) == 1:
        return (
            f"It is the only {row} that needs {spoken_size(standing.budget or 0)} or less, "
            f"{phrases.memory(best)}, and has {phrases.label(standing)} {quality}."
        )
    rest = [variant for variant in standing.fitting if standing.word(variant)]
    if not rest:  # nothing was evaluated on the same examples
        return f"It has {figures}, and no other {row} can be held against it on that."
    beyond = "below" if phrases.top(standing) == "lowest" else "above"
    than = beyond if standing.undecided(best) else "better than"
    runner = max(rest, key=standing.merit)
    return (
        f"It has {figures}, {than} every other {row}; next is {standing.name(runner)} with "
        f"{phrases.quality(standing, runner)} "
        f"({phrases.difference(standing.verdicts[runner.id])})."
    )


def _tight(standing: Standing, picked: Picked) -> Iterator[str]:
    """What to take where memory is tight, and what that costs."""
    if picked.tight:
        longer = f", and takes {picked.longer:.1f} times as long" if picked.longer else ""
        yield (
            f"If memory is tight: {standing.name(picked.tight)} needs "
            f"{phrases.memory(picked.tight)} instead of {phrases.memory(picked.variant)}{longer}."
        )


def _beyond_budget(standing: Standing, best: Variant) -> Iterator[str]:
    """What scores better, and needs more than it may."""
    beyond = [variant for variant in standing.competing if variant not in standing.fitting]
    higher = max((best, *beyond), key=standing.merit)
    if higher is not best:
        yield (
            f"{standing.name(higher)} scores {phrases.quality(standing, higher)}, and needs "
            f"{phrases.memory(higher)} where the budget is {spoken_size(standing.budget or 0)}."
        )


def _need(standing: Standing, picked: Picked) -> Iterator[str]:
    """What would decide what the pick rests on."""
    need = standing.power(picked.variant)
    if need:
        yield phrases.takes(need, standing)


def _expected(standing: Standing, picked: Picked) -> Iterator[str]:
    """What the best's quality is likely to be once it has not been chosen for its luck."""
    expected, label = standing.expected, phrases.label(standing)
    if expected is None or len(standing.competing) < 3 or standing.score is None:
        return
    raw, shrunk = (
        phrases.quality(standing, picked.best),
        figures.figure_value(standing.score, expected),
    )
    if raw != shrunk:
        yield (
            f"The {phrases.top(standing)} of {len(standing.competing)} owes its place partly to "
            f"luck: expect {label} {shrunk} of {standing.name(picked.best)}, not {raw}."
        )


def _given_rates(standing: Standing) -> Iterator[str]:
    """That one may be worse for its learning rate alone, where one is said to be worse."""
    worse = any(standing.word(variant) == "worse" for variant in standing.fitting)
    if worse and not standing.tuned:
        yield (
            "Methods are compared at the given learning rates, which may suit some of them better: "
            "--tune finds the best of each."
        )


def _on_speed(standing: Standing, picked: Picked) -> Iterator[str]:
    fastest = standing.fastest()
    if not fastest:
        return
    own, first = phrases.speed(picked.variant), standing.name(fastest[0])
    top = phrases.speed(fastest[0])
    if picked.variant is fastest[0]:
        if picked.by != "speed" or picked.equal > 1:  # else it is said already
            yield f"It {leads(standing, 'also ')}."
    elif picked.variant in fastest:
        yield f"It trained at {own} and {first} at {top}; the difference may be chance."
    else:
        yield f"It trains at {own}; the fastest, {first}, at {top}."
