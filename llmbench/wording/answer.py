"""The answer in a few sentences: what to pick, why, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from llmbench import text
from llmbench.analysis.choice import picked
from llmbench.analysis.facts import group
from llmbench.analysis.standing import Standing
from llmbench.record.variant import Variant
from llmbench.units import spoken_size
from llmbench.wording import phrases, racing, reason

ENDED = {
    "oom": "ran out of memory",
    "diverged": "diverged",
    "failed": "failed",
    "timeout": "took too long",
    "killed": "were killed",
    "interrupted": "were interrupted",
    "skipped": "were skipped",
}
"""How runs ended that did not end well, by their status: to follow their number."""


@dataclass(frozen=True)
class Answer:
    """Text in which backticks stand around names."""

    headline: str
    sentences: tuple[str, ...]
    rule: str
    pick: Variant | None = None
    limit: str = ""
    """How far the headline can be trusted, to follow it; empty where that goes without saying."""

    @property
    def whole(self) -> str:
        """The headline with its limit."""
        return ", ".join(filter(None, [self.headline, self.limit]))


@lru_cache(maxsize=4)
def answer(standing: Standing) -> Answer:
    """Answer as far as the records allow; worked out once for a page and its notes."""
    competing = standing.competing
    if len(competing) < 2 and reason.unlearnt(standing):
        return _no_verdict(standing)
    if not competing:
        return _none(standing)
    if not standing.fitting:
        return _nothing_fits(standing)
    if len(competing) == 1:
        return _only(standing, competing[0])
    if standing.best is None:
        return _without_quality(standing)
    base = untrained(standing)
    if base is not None and standing.word(base) != "worse":
        return _nothing_better(standing, standing.best, base)
    return _picked(standing, base)


def untrained(standing: Standing) -> Variant | None:
    """The base model's variant, where its quality can be held against the best's."""
    if standing.best is None:
        return None
    wanted = group(standing.best)
    bases = (
        variant
        for variant in standing.variants
        if not variant.cell.trains and group(variant) == wanted
    )
    return next((variant for variant in bases if variant.id in standing.verdicts), None)


def _picked(standing: Standing, base: Variant | None) -> Answer:
    choice = picked(standing)
    sentences = [*reason.reasons(standing, choice)]
    if base is not None:
        quality = phrases.quality(standing, base)
        sentences.append(f"Without training, the model ({standing.name(base)}) scores {quality}.")
        below = [a for a in standing.competing if standing.merit(a) < standing.merit(base)]
        if below:
            names = text.listed([standing.name(variant) for variant in below])
            sentences.append(f"{names} {'end' if len(below) > 1 else 'ends'} below that.")
    name = standing.name(choice.variant)
    return Answer(
        f"Try {name} first" if standing.one_seed else f"Pick {name}",
        tuple(sentences),
        phrases.rule(standing),
        choice.variant,
        ", ".join(reason.limits(standing, choice)),
    )


def _no_verdict(standing: Standing) -> Answer:
    """Of methods, where fewer than two learnt."""
    learnt = [standing.name(variant) for variant in standing.competing]
    who = f"only {learnt[0]} learnt" if learnt else f"no {phrases.row(standing)} learnt"
    have = (_figures(standing, variant) for variant in standing.competing)
    return Answer(
        f"No verdict on methods: {who}",
        (*reason.unranked(standing), *have, *_causes(standing)),
        phrases.rule(standing),
    )


def _nothing_fits(standing: Standing) -> Answer:
    smallest = standing.smallest()
    budget = spoken_size(standing.budget or 0)
    return Answer(
        f"Nothing fits: every {phrases.row(standing)} needs more than {budget}",
        (
            f"The least {standing.memory_word} is that of {standing.name(smallest)}, "
            f"{phrases.memory(smallest)}.",
            *_causes(standing),
        ),
        phrases.rule(standing),
    )


def _nothing_better(standing: Standing, best: Variant, base: Variant) -> Answer:
    """No cell is better than the untrained model."""
    verdict = standing.verdicts[base.id]
    row, steps = phrases.row(standing), text.plural(best.cell.settings.steps, "step")
    seeds = f"More seeds ({phrases.way(standing)}), more"
    more = seeds if max(standing.seed_counts) < 3 else "More"
    return Answer(
        f"Nothing to pick: every {row} is worse than the untrained model"
        if verdict.word == "better"
        else f"Nothing to pick yet: no {row} is better than the untrained model beyond chance",
        (
            f"The {phrases.top(standing)} {phrases.label(standing)} is "
            f"{phrases.quality(standing, best)}, by {standing.name(best)}; "
            f"the untrained {standing.name(base)} has "
            f"{phrases.quality(standing, base)} ({phrases.difference(verdict)} from it).",
            f"These {row}s trained for {steps}. {more} steps or another learning rate may tell "
            "them apart.",
            *reason.unranked(standing),
            *racing.in_short(standing),
            _speed_and_memory(standing),
        ),
        phrases.rule(standing),
    )


def _without_quality(standing: Standing) -> Answer:
    fastest, smallest = standing.fastest(), standing.smallest()
    because = f"This speaks of speed and memory only: {phrases.no_quality(standing)}."
    said = (_speed_and_memory(standing), because)
    if not fastest:
        headline = f"Pick {standing.name(smallest)} for memory"
        return Answer(headline, said, phrases.rule(standing), smallest)
    if smallest in fastest and len(fastest) == len(standing.fitting or standing.competing) > 1:
        headline = f"Pick {standing.name(smallest)} for memory: no method is clearly faster"
        return Answer(headline, said, phrases.rule(standing), smallest)
    limit = reason.ONE_SEED if standing.one_seed else ""
    if smallest in fastest:
        headline = f"Pick {standing.name(smallest)} for speed and memory"
        return Answer(headline, said, phrases.rule(standing), smallest, limit)
    return Answer(
        f"{standing.name(smallest)} for memory, {standing.name(fastest[0])} for speed",
        said,
        phrases.rule(standing),
        limit=limit,
    )


def _speed_and_memory(standing: Standing) -> str:
    fastest, smallest = standing.fastest(), standing.smallest()
    least = f"needs the least {standing.memory_word}, {phrases.memory(smallest)}"
    if not fastest:
        return f"{standing.name(smallest)} {least}."
    first = fastest[0]
    if smallest is first:
        return f"{standing.name(first)} {reason.leads(standing)}, and {least}."
    return (
        f"{standing.name(first)} {reason.leads(standing)}, with {phrases.memory(first)}; "
        f"{standing.name(smallest)} {least}, at {phrases.speed(smallest)}."
    )


def _only(standing: Standing, variant: Variant) -> Answer:
    """Of one method alone the base model tells whether it is worth anything."""
    base = untrained(standing)
    name, rule = standing.name(variant), phrases.rule(standing)
    if base is None:
        said = f"{_figures(standing, variant)} There is nothing to hold it against."
        return Answer(f"Only {name} can be judged", (said, *_causes(standing)), rule)
    if standing.word(base) != "worse":
        return _nothing_better(standing, variant, base)
    learnt = (
        f"{_figures(standing, variant)} The untrained {standing.name(base)} has "
        f"{phrases.label(standing)} {phrases.quality(standing, base)} "
        f"({phrases.difference(standing.verdicts[base.id])})."
    )
    more = "No other method can be held against it."
    headline = f"{name} is better than the untrained model"
    limit = reason.ONE_SEED if standing.one_seed else ""
    return Answer(headline, (learnt, more, *_causes(standing)), rule, limit=limit)


def _figures(standing: Standing, variant: Variant) -> str:
    """What one has, where there is nothing else to say of it."""
    figures = [f"{phrases.memory(variant)} of {standing.memory_word}"]
    if standing.timed:
        figures.append(phrases.speed(variant))
    if standing.score:
        figures.insert(0, f"{phrases.label(standing)} {phrases.quality(standing, variant)}")
    return f"{standing.name(variant)} has {text.listed(figures)}."


def _none(standing: Standing) -> Answer:
    trained = [variant for variant in standing.variants if variant.cell.trains]
    headline = "No training ended well"
    if any(variant.well for variant in trained):
        headline = f"No {phrases.row(standing)} has all the figures that an answer needs"
    if not standing.records:
        headline = "There are no records"
    elif not trained:
        headline = "Nothing was trained"
    return Answer(headline, tuple(_causes(standing)), phrases.rule(standing))


def _causes(standing: Standing) -> Iterator[str]:
    """How the cells that do not compete ended, the first cause in full."""
    bad = [r for r in standing.records if r.status != "ok"]
    if bad:
        counts = Counter(r.status for r in bad)
        ended = text.listed([_ended(count, status) for status, count in counts.items()])
        yield f"Of {text.plural(len(standing.records), 'run')}, {ended}."
        name = text.code(standing.cell_names[bad[0].cell.id])
        yield f"{name}: {text.cut(bad[0].reason or 'no reason is known.', 300)}"
    wrong = [standing.name(variant) for variant in standing.variants if standing.problem(variant)]
    if wrong:
        yield f"{text.listed(wrong)} did not start from the base model's loss."


def _ended(count: int, status: str) -> str:
    said = ENDED[status]
    return f"{count} {said.replace('were', 'was', 1) if count == 1 else said}"
