"""What the figures of a comparison cover, and what they do not."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Literal

from llmbench.analysis.field import FULL_STATISTICS
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.rate import CELL, SURE_STEPS
from llmbench.record.variant import Variant
from llmbench.text import code, listed, plural
from llmbench.units import extent, percent, seconds
from llmbench.wording import phrases, predicted
from llmbench.wording.answer import answer

MOST_GROUPS = 4
"""Groups of cells with the same predictions that are named."""
WIDE = 0.05
"""A loss of quality that a reader would mind, and that an interval should rule out."""
FEW, FEW_ZEROS = 20, 50
"""Examples from which intervals of quality hold what they say, the latter where most scores are
zero: docs/figures.md, section 2."""
NEAR_ZERO = 0.05
"""A score below which predictions have next to nothing in common with the references."""

Remark = tuple[Literal["warning", "note"], str]
"""How grave it is, and what it is; backticks stand around names."""


def scope(standing: Standing) -> Iterator[Remark]:
    """All there is to say, quality first."""
    yield from _quality(standing)
    yield from _power(standing)
    yield from _same_predictions(standing)
    yield from _speed(standing)
    yield from _memory(standing)
    yield from (("note", sentence) for sentence in predicted.quality(standing))
    yield from _kernels(standing)
    yield from _many(standing)


def _quality(standing: Standing) -> Iterator[Remark]:
    if standing.score is None or standing.best is None:
        return
    best = standing.best
    evaluated = plural(len(best.first.examples), "evaluated example")
    if standing.one_seed:
        yield (
            "warning",
            "One seed is one training: another may put the methods in another order. Run again "
            f"with {phrases.way(standing, 3)}.",
        )
        yield (
            "note",
            f"Intervals of quality cover the choice of the {evaluated}, not the luck of training.",
        )
    else:
        yield (
            "note",
            f"{extent(standing.seed_counts)} seeds: figures are means over them, and "
            "intervals of quality cover the luck of training together with the choice of the "
            f"{evaluated}.",
        )
        yield from _lone(standing, best)
    yield from _few(standing, best)
    if (standing.quality_of(best) or 0.0) < NEAR_ZERO:
        yield (
            "warning",
            f"{standing.score.label} is near zero everywhere: the predictions have next to "
            "nothing in common with the references, and their order means little.",
        )


def _few(standing: Standing, best: Variant) -> Iterator[Remark]:
    """That there are too few examples for what intervals say of themselves."""
    scores = (
        [e.scores.get(standing.score.id) for e in best.first.examples] if standing.score else []
    )
    zeros = sum(value == 0 for value in scores) > len(scores) / 2
    least = FEW_ZEROS if zeros else FEW
    if 0 < len(scores) < least:
        yield (
            "warning",
            f"With {plural(len(scores), 'evaluated example')}"
            f"{', most of which score zero' if zeros else ''}, intervals of quality are narrower "
            f"than they say: they hold from {least} on (--eval-examples).",
        )


def _lone(standing: Standing, best: Variant) -> Iterator[Remark]:
    """Who cannot be held against the best, for want of seeds that both have."""
    names = [standing.name(variant) for variant in standing.lone]
    if names:
        verb = "has" if len(names) == 1 else "have"
        longer = f" and {phrases.way(standing)}" if standing.time_budget else ""
        yield (
            "warning",
            f"{listed(names, 4)} {verb} fewer than two seeds in common with "
            f"{standing.name(best)}: a difference between them may be the luck of one training. "
            f"The same command with the same --output{longer} runs what is missing.",
        )


def _power(standing: Standing) -> Iterator[Remark]:
    """How much quality could be lost by picking a variant that is undecided against the best."""
    pick = answer(standing).pick
    verdict = standing.verdicts.get(pick.id) if pick else None
    if not (pick and verdict and standing.score) or -verdict.difference.low <= WIDE:
        return
    loss, quality = -verdict.difference.low, standing.quality_of(pick) or 0.0
    worse = f"by up to {loss:.2f} {standing.score.label}" if loss < quality else "by far"
    yield (
        "warning",
        f"With {plural(len(pick.seeds), 'seed')} and "
        f"{plural(len(pick.first.examples), 'example')}, the pick may still be worse than the best "
        f"{worse}. More seeds ({phrases.way(standing)}) narrow that.",
    )


def _same_predictions(standing: Standing) -> Iterator[Remark]:
    alike = defaultdict(list)
    for variant in standing.competing:
        sentence = tuple(e.prediction for r in variant.counted for e in r.examples)
        if sentence:
            alike[sentence].append(standing.name(variant))
    same = [listed(names, 4) for names in alike.values() if len(names) > 1]
    if same:
        text = "; ".join(same[:MOST_GROUPS]) + ("; and more" if len(same) > MOST_GROUPS else "")
        yield ("note", f"Word for word the same predictions: {text}.")


def _speed(standing: Standing) -> Iterator[Remark]:
    if standing.competing and not standing.timed:
        yield (
            "note",
            "No speed is given: with --deterministic every run gives equal bits, and is slower "
            "on purpose. Leave it out to measure speed.",
        )
        return
    burn_in = max((a.cell.settings.burn_in_steps for a in standing.competing), default=0)
    if burn_in:
        steps = standing.competing[0].cell.settings.steps
        covers = (
            "is rough, since one run does not show what differs from run to run. That is taken to "
            f"be as much as steps scatter, {100 * CELL:.0f} % at least, so that no small "
            f"difference counts (--seeds){_short(steps - burn_in)}"
            if standing.one_seed
            else "covers the spread between the runs of the seeds, which took turns"
        )
        yield (
            "note",
            f"The first {plural(burn_in, 'step')} of {steps} train but are left out of "
            f"the speed; its interval {covers}.",
        )
    yield from _compiled(standing)
    yield from _repeats(standing)


def _compiled(standing: Standing) -> Iterator[Remark]:
    """Who compiled code or recorded steps, and for how long."""
    done = {
        variant: found
        for variant in standing.competing
        if (found := [r.compiled for r in variant.counted if r.compiled])
    }
    if not done:
        return
    every = [c for found in done.values() for c in found]
    least, most = (seconds(f(c.seconds for c in every)) for f in (min, max))
    took = least if least == most else f"{least} to {most}"
    names = listed([standing.name(variant) for variant in done])
    who = names if len(done) < 3 else f"{len(done)} {phrases.row(standing)}s"
    graphs, breaks, recordings = (
        max(getattr(c, name) for c in every) for name in ("graphs", "breaks", "recordings")
    )
    did, counted = [], []
    if graphs:
        did.append("compiled code")
        counted += [plural(graphs, "graph"), plural(breaks, "break")]
    if recordings:
        did.append("recorded steps")
        counted.append(plural(recordings, "recording"))
    yield (
        "note",
        f"{who} {listed(did)} for {took} as {'they' if len(done) > 1 else 'it'} trained "
        f"({', '.join(counted)}{' at most' * (len(done) > 1)}); steps that did are left out of the "
        "speed.",
    )


def _short(steps: int) -> str:
    """What an interval over so few steps of one run is not."""
    few = f"; over fewer than {SURE_STEPS} steps it is too narrow where long ones follow long ones"
    return few if steps < SURE_STEPS else ""


def _repeats(standing: Standing) -> Iterator[Remark]:
    """By how much a cell differed from itself, and what follows."""
    again = standing.repeats
    if again and standing.speeds.floor:
        names = listed(list(dict.fromkeys(code(r.cell.composition) for r in again)))
        share = percent(math.expm1(standing.speeds.floor), 1)
        yield (
            "note",
            f"Trained once more at the end, {names} differed from its first speed by {share}: a "
            "smaller difference between two methods does not count.",
        )


def _memory(standing: Standing) -> Iterator[Remark]:
    if standing.competing and not standing.cuda:
        yield (
            "note",
            "No GPU: memory is the growth of the process's resident memory on the host, sampled. "
            "It orders methods on this machine and says nothing of a GPU's memory "
            "(`llmbench estimate` does).",
        )


def _kernels(standing: Standing) -> Iterator[Remark]:
    on_flash = [a for a in standing.competing if a.first.attention_kernels == ("flash",)]
    asking = {a.id: m for a in on_flash for m in a.cell.members if m.group == "attention"}
    plain = [a for a in on_flash if a.id not in asking]
    if plain and asking:
        asked = listed([code(name) for name in dict.fromkeys(m.id for m in asking.values())])
        yield (
            "note",
            f"The default attention of {listed([standing.name(a) for a in plain], 3)} ran on "
            f"a flash kernel too: {asked} differs from it only in insisting on one.",
        )


def _many(standing: Standing) -> Iterator[Remark]:
    if len(standing.variants) > FULL_STATISTICS:
        yield (
            "note",
            f"Of {plural(len(standing.variants), phrases.row(standing))}, intervals and verdicts "
            f"are worked out for the {FULL_STATISTICS} highest in quality and the "
            f"{FULL_STATISTICS} fastest only.",
        )
