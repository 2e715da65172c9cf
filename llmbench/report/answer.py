"""The answer in a few sentences: what to pick, why, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from llmbench.arm import Arm
from llmbench.report import phrase, words
from llmbench.report.field import group, least_memory
from llmbench.report.standing import Standing


@dataclass(frozen=True)
class Answer:
    """Text in which backticks stand around names."""

    headline: str
    sentences: tuple[str, ...]
    rule: str
    pick: Arm | None = None
    limit: str = ""
    """How far the headline can be trusted, to follow it; empty where that goes without saying."""

    @property
    def whole(self) -> str:
        """The headline with its limit."""
        return ", ".join(filter(None, [self.headline, self.limit]))


def answer(standing: Standing) -> Answer:
    """Answer as far as the records allow."""
    competing = standing.competing
    if not competing:
        return _none(standing)
    if len(competing) == 1:
        return _only(standing, competing[0])
    if standing.best is None:
        return _without_quality(standing)
    base = untrained(standing)
    if base is not None and standing.verdicts[base.id].word != "worse":
        return _nothing_learnt(standing, standing.best, base)
    return _picked(standing, standing.best)


def untrained(standing: Standing) -> Arm | None:
    """The base model's arm, where its quality can be held against the best's."""
    if standing.best is None:
        return None
    wanted = group(standing.best)
    bases = (arm for arm in standing.arms if not arm.cell.trains and group(arm) == wanted)
    return next((arm for arm in bases if arm.id in standing.verdicts), None)


def _picked(standing: Standing, best: Arm) -> Answer:
    pick = least_memory(standing.level())
    why = _highest(standing, pick) if pick is best else _level(standing, pick, best)
    rest = (
        *_luck(standing),
        *_need(standing, pick),
        *_on_speed(standing, pick),
        *_over_base(standing),
    )
    limit = "as far as one seed can tell" if _one_seed(standing) else ""
    headline = f"Pick {standing.name(pick)}"
    return Answer(headline, (why, *rest), phrase.rule(standing), pick, limit)


def _one_seed(standing: Standing) -> bool:
    return standing.seed_counts == [1]


def _luck(standing: Standing) -> Iterator[str]:
    """What one seed cannot tell."""
    if _one_seed(standing):
        yield "One training cannot tell a better method from a luckier one: --seeds 3 can."


def _level(standing: Standing, pick: Arm, best: Arm) -> str:
    verdict = standing.verdicts[pick.id]
    return (
        f"On {phrase.label(standing)} it is not distinguishable from {standing.name(best)} "
        f"({phrase.quality(standing, pick)}{phrase.spread(standing, pick)} against "
        f"{phrase.quality(standing, best)}, {phrase.difference(standing, verdict)}), and it needs "
        f"{phrase.memory(pick)} of {standing.memory_word} where {standing.name(best)} needs "
        f"{phrase.memory(best)}."
    )


def _highest(standing: Standing, pick: Arm) -> str:
    figures = (
        f"the highest {phrase.label(standing)}, {phrase.quality(standing, pick)}"
        f"{phrase.spread(standing, pick)}"
    )
    row, others = phrase.row(standing), len(standing.level()) - 1
    if others:
        return (
            f"It has {figures}, and of the {words.plural(others + 1, row)} that cannot be told "
            f"apart on it, the least {standing.memory_word}: {phrase.memory(pick)}."
        )
    rest = [a for a in standing.competing if a is not pick and a.id in standing.verdicts]
    than = "above" if _one_seed(standing) else "better than"
    if not rest:  # nothing was evaluated on the same examples
        return f"It has {figures}, and no other {row} can be held against it on that."
    runner = max(rest, key=lambda arm: standing.quality_of(arm) or 0.0)
    return (
        f"It has {figures}, {than} every other {row}; next is {standing.name(runner)} with "
        f"{phrase.quality(standing, runner)} "
        f"({phrase.difference(standing, standing.verdicts[runner.id])})."
    )


def _need(standing: Standing, pick: Arm) -> Iterator[str]:
    """What would tell the pick from the best, or from the next where it is the best itself."""
    level = [arm for arm in standing.level() if arm is not standing.best]
    if level:
        other = pick if pick in level else max(level, key=lambda a: standing.quality_of(a) or 0.0)
        difference, found = standing.verdicts[other.id].difference, standing.need(other)
        if difference.low == difference.high == 0:
            yield "Both have the same score on every example."
        elif found:
            yield phrase.takes(found)


def _on_speed(standing: Standing, pick: Arm) -> Iterator[str]:
    fastest = standing.fastest()
    if not fastest:
        return
    own, first = phrase.speed(pick), standing.name(fastest[0])
    if pick is fastest[0]:
        yield f"It also trains fastest, at {own}{_tied(standing)}."
    elif pick in fastest:
        yield (
            f"It trained at {own}; the fastest, {first}, at {_top(standing)}: a difference that "
            "these steps cannot tell from chance."
        )
    else:
        yield f"It trains at {own}; the fastest, {first}, at {_top(standing)}."


def _top(standing: Standing) -> str:
    return phrase.speed(standing.fastest()[0])


def _over_base(standing: Standing) -> Iterator[str]:
    base = untrained(standing)
    if base is not None:
        yield f"The untrained {standing.name(base)} scores {phrase.quality(standing, base)}."


def _nothing_learnt(standing: Standing, best: Arm, base: Arm) -> Answer:
    verdict = standing.verdicts[base.id]
    worse = verdict.word == "better"
    row, steps = phrase.row(standing), words.plural(best.cell.settings.steps, "step")
    seeds = "more seeds (two leave wide intervals), " if max(standing.seed_counts) == 2 else ""
    return Answer(
        f"Nothing to pick: every {row} is worse than the untrained model"
        if worse
        else f"Nothing to pick yet: no {row} is better than the untrained model beyond chance",
        (
            f"The highest {phrase.label(standing)} is {phrase.quality(standing, best)}, by "
            f"{standing.name(best)}; the untrained {standing.name(base)} has "
            f"{phrase.quality(standing, base)}, which is {verdict.word} "
            f"({phrase.difference(standing, verdict)}).",
            f"These {row}s trained for {steps}: {seeds}more steps, a higher learning rate or more "
            "evaluated examples may tell them apart.",
            _speed_and_memory(standing),
        ),
        phrase.rule(standing),
    )


def _without_quality(standing: Standing) -> Answer:
    fastest, smallest = standing.fastest(), standing.smallest()
    because = "Quality was not measured, so this speaks of speed and memory only."
    if any(r.cell.model.weights == "random" for r in standing.records):
        because = (
            "The weights are random, so nothing is known of quality: "
            "this speaks of speed and memory only."
        )
    said = (_speed_and_memory(standing), because)
    if not fastest:
        headline = f"Pick {standing.name(smallest)} for memory"
        return Answer(headline, said, phrase.rule(standing), smallest)
    if smallest in fastest:
        headline = f"Pick {standing.name(smallest)} for speed and memory"
        return Answer(headline, said, phrase.rule(standing), smallest)
    return Answer(
        f"{standing.name(smallest)} for memory, {standing.name(fastest[0])} for speed",
        said,
        phrase.rule(standing),
    )


def _speed_and_memory(standing: Standing) -> str:
    fastest, smallest = standing.fastest(), standing.smallest()
    least = f"needs the least {standing.memory_word}, {phrase.memory(smallest)}"
    if not fastest:
        return f"{standing.name(smallest)} {least}."
    first = fastest[0]
    if smallest is first:
        return (
            f"{standing.name(first)} trains fastest, at {phrase.speed(first)}"
            f"{_tied(standing)}, and {least}."
        )
    return (
        f"{standing.name(first)} trains fastest, at {phrase.speed(first)} and "
        f"{phrase.memory(first)}{_tied(standing)}; {standing.name(smallest)} {least}, "
        f"at {phrase.speed(smallest)}."
    )


def _tied(standing: Standing) -> str:
    """Which others may be as fast as the fastest, in parentheses."""
    others = [standing.name(arm) for arm in standing.fastest()[1:]]
    return f" (not told apart from it: {words.listed(others, 4)})" if others else ""


def _only(standing: Standing, arm: Arm) -> Answer:
    figures = [f"{phrase.memory(arm)} of {standing.memory_word}"]
    if standing.timed:
        figures.append(phrase.speed(arm))
    if standing.score:
        figures.insert(0, f"{phrase.label(standing)} {phrase.quality(standing, arm)}")
    return Answer(
        f"Only {standing.name(arm)} can be judged",
        (
            f"It has {words.listed(figures)}, and there is nothing to hold it against.",
            *_causes(standing),
        ),
        phrase.rule(standing),
    )


def _none(standing: Standing) -> Answer:
    trained = [arm for arm in standing.arms if arm.cell.trains]
    headline = "No cell ended well"
    if any(arm.well for arm in trained):
        headline = f"No {phrase.row(standing)} has all the figures that an answer needs"
    if not standing.records:
        headline = "There are no records"
    elif not trained:
        headline = "Nothing was trained"
    return Answer(headline, tuple(_causes(standing)), phrase.rule(standing))


def _causes(standing: Standing) -> Iterator[str]:
    """How the cells that do not compete ended, the first cause in full."""
    bad = [r for r in standing.records if r.status != "ok"]
    if bad:
        counts = Counter(r.status for r in bad)
        ended = words.listed([f"{n} ended as {status}" for status, n in counts.items()])
        yield f"Of {words.plural(len(standing.records), 'cell')}, {ended}."
        name = words.code(standing.cell_names[bad[0].cell.id])
        yield f"{name}: {words.cut(bad[0].reason or 'no reason is known.', 300)}"
    wrong = [standing.name(arm) for arm in standing.arms if standing.problem(arm)]
    if wrong:
        yield f"{words.listed(wrong)} did not start from the base model's loss."
