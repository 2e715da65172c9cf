"""The answer in a few sentences: what to pick, why, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from llmbench.record import Record
from llmbench.report import phrase, words
from llmbench.report.field import group, least_memory, speed
from llmbench.report.standing import Standing


@dataclass(frozen=True)
class Answer:
    """Text in which backticks stand around names."""

    headline: str
    sentences: tuple[str, ...]
    rule: str
    pick: Record | None = None


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
    if base is not None and standing.verdicts[base.cell.id].word != "worse":
        return _nothing_learnt(standing, standing.best, base)
    return _picked(standing, standing.best)


def untrained(standing: Standing) -> Record | None:
    """The base model's record, where its quality can be held against the best's."""
    if standing.best is None:
        return None
    wanted = group(standing.best)
    bases = (r for r in standing.records if not r.cell.trains and group(r) == wanted)
    return next((r for r in bases if r.cell.id in standing.verdicts), None)


def _picked(standing: Standing, best: Record) -> Answer:
    pick = least_memory(standing.level())
    why = _highest(standing, pick) if pick is best else _level(standing, pick, best)
    sentences = (why, _on_speed(standing, pick), *_over_base(standing))
    return Answer(f"Pick {standing.name(pick)}", sentences, phrase.rule(standing), pick)


def _level(standing: Standing, pick: Record, best: Record) -> str:
    verdict = standing.verdicts[pick.cell.id]
    return (
        f"On {phrase.label(standing)} it is not distinguishable from {standing.name(best)} "
        f"({phrase.quality(standing, pick)} against {phrase.quality(standing, best)}, "
        f"{phrase.difference(standing, verdict)}), and it needs {phrase.memory(pick)} of "
        f"{standing.memory_word} where {standing.name(best)} needs {phrase.memory(best)}."
    )


def _highest(standing: Standing, pick: Record) -> str:
    figures = (
        f"the highest {phrase.label(standing)}, {phrase.quality(standing, pick)}"
        f"{phrase.spread(standing, pick)}"
    )
    others = len(standing.level()) - 1
    if others:
        return (
            f"It has {figures}, and of the {words.plural(others + 1, 'cell')} that cannot be told "
            f"apart on it, the least {standing.memory_word}: {phrase.memory(pick)}."
        )
    rest = [r for r in standing.competing if r is not pick and r.cell.id in standing.verdicts]
    runner = max(rest, key=lambda r: standing.quality_of(r) or 0.0)
    return (
        f"It has {figures}, better than every other cell; next is {standing.name(runner)} with "
        f"{phrase.quality(standing, runner)} "
        f"({phrase.difference(standing, standing.verdicts[runner.cell.id])})."
    )


def _on_speed(standing: Standing, pick: Record) -> str:
    fastest = standing.fastest()
    own = words.figure_value(phrase.SPEED, speed(pick) or 0.0)
    if pick is fastest[0]:
        return f"It also trains fastest, at {own}."
    top = words.figure_value(phrase.SPEED, speed(fastest[0]) or 0.0)
    if any(pick is r for r in fastest):
        first = standing.name(fastest[0])
        return f"It trains at {own}, within the spread of the fastest, {first} ({top})."
    return f"It trains at {own}; the fastest, {standing.name(fastest[0])}, at {top}."


def _over_base(standing: Standing) -> Iterator[str]:
    base = untrained(standing)
    if base is not None:
        yield f"The untrained {standing.name(base)} scores {phrase.quality(standing, base)}."


def _nothing_learnt(standing: Standing, best: Record, base: Record) -> Answer:
    verdict = standing.verdicts[base.cell.id]
    worse = verdict.word == "better"
    steps = words.plural(best.cell.settings.steps, "step")
    return Answer(
        "Nothing to pick: every cell is worse than the untrained model"
        if worse
        else "Nothing to pick yet: no cell is better than the untrained model beyond chance",
        (
            f"The highest {phrase.label(standing)} is {phrase.quality(standing, best)}, by "
            f"{standing.name(best)}; the untrained {standing.name(base)} has "
            f"{phrase.quality(standing, base)}, which is {verdict.word} "
            f"({phrase.difference(standing, verdict)}).",
            f"These cells trained for {steps}: more steps, a higher learning rate or more "
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
    if any(smallest is r for r in fastest):
        return Answer(
            f"Pick {standing.name(smallest)} for speed and memory",
            (_speed_and_memory(standing), because),
            phrase.rule(standing),
            smallest,
        )
    return Answer(
        f"{standing.name(smallest)} for memory, {standing.name(fastest[0])} for speed",
        (_speed_and_memory(standing), because),
        phrase.rule(standing),
    )


def _speed_and_memory(standing: Standing) -> str:
    fastest, smallest = standing.fastest(), standing.smallest()
    first = fastest[0]
    rate = words.figure_value(phrase.SPEED, speed(first) or 0.0)
    if smallest is first:
        return (
            f"{standing.name(first)} trains fastest, at {rate}, and needs the least "
            f"{standing.memory_word}, {phrase.memory(first)}."
        )
    tie = ""
    if len(fastest) > 1:
        others = words.listed([standing.name(r) for r in fastest[1:]], 4)
        tie = f" (within its spread: {others})"
    own = words.figure_value(phrase.SPEED, speed(smallest) or 0.0)
    return (
        f"{standing.name(first)} trains fastest, at {rate} and {phrase.memory(first)}{tie}; "
        f"{standing.name(smallest)} needs the least {standing.memory_word}, "
        f"{phrase.memory(smallest)}, at {own}."
    )


def _only(standing: Standing, record: Record) -> Answer:
    figures = [f"{phrase.memory(record)} of {standing.memory_word}"]
    figures.append(words.figure_value(phrase.SPEED, speed(record) or 0.0))
    if standing.score:
        figures.insert(0, f"{phrase.label(standing)} {phrase.quality(standing, record)}")
    return Answer(
        f"Only {standing.name(record)} can be judged",
        (
            f"It has {words.listed(figures)}, and there is nothing to hold it against.",
            *_causes(standing),
        ),
        phrase.rule(standing),
    )


def _none(standing: Standing) -> Answer:
    trained = [r for r in standing.records if r.cell.trains]
    headline = "No cell ended well"
    if any(r.status == "ok" for r in trained):
        headline = "No cell has all the figures that an answer needs"
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
        yield f"{standing.name(bad[0])}: {words.cut(bad[0].reason or 'no reason is known.', 300)}"
    wrong = [standing.name(r) for r in standing.records if r.cell.id in standing.problems]
    if wrong:
        yield f"{words.listed(wrong)} did not start from the base model's loss."
