"""How sure the quality of a variant is, and how it differs from another's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from llmbench.analysis.statistics.crossed import Crossed, crossed
from llmbench.analysis.statistics.differences import BORROWED, Differences, Rows, differences
from llmbench.analysis.statistics.interval import LEVEL, Interval, around, quantile
from llmbench.analysis.statistics.verdict import Verdict, word
from llmbench.record.record import Record
from llmbench.record.variant import Variant

LOSS = "reference loss"
"""Stands for a score where the loss per token of the references is meant: less is better, and it
tells far smaller differences than a score of predictions. No score can have a name with a space."""

Scores = dict[str, float]
"""A score by example id."""


def quality_interval(variant: Variant, score: str) -> Interval | None:
    """Interval of the mean of a per-example score; None where there are no scores.

    With one seed over the examples, for this very training. With several over seeds and examples
    together, by their crossed effects: resampling a handful of seeds is too narrow by half.
    """
    rows = _rows([_scores(r, score) for r in variant.counted])
    return crossed(rows).interval(LEVEL) if rows else None


def all_differences(
    variants: Sequence[Variant], score: str, level: float = LEVEL
) -> Differences | None:
    """Every pair of the variants, judged at once; None where fewer than two share two examples.

    The variants must compare, so that an id means the same example in all of them.
    """
    _, vectors = _vectors(variants, score)
    return differences(vectors, level) if len(vectors) > 1 else None


def base_verdicts(
    variants: Sequence[Variant], base: Variant, score: str, sign: int = 1, level: float = LEVEL
) -> dict[str, Verdict]:
    """Whether each variant is better than the untrained model or worse, by the variant's id.

    None where it has no scores on the same examples of the same data. More is better where `sign`
    is 1, and less where it is -1.
    """
    (first, *_) = variants
    if base.cell.eval_data.sha256 != first.cell.eval_data.sha256:
        return {}
    untrained, vectors = _vectors(variants, score, base)
    if untrained is None:
        return {}
    intervals = gate(vectors, untrained, level)
    return {name: Verdict(word(end, None, None, sign), end) for name, end in intervals.items()}


def _vectors(
    variants: Sequence[Variant], score: str, base: Variant | None = None
) -> tuple[Any, dict[str, Rows]]:
    """The scores of each variant by its id, and of the base, on the examples that all have.

    Nothing where those are fewer than two, of which no interval can be told.
    """
    import numpy as np

    scores = {a.id: {r.cell.seed: _scores(r, score) for r in a.counted} for a in variants}
    kept = {name: {s: row for s, row in rows.items() if row} for name, rows in scores.items()}
    kept = {name: rows for name, rows in kept.items() if rows}
    untrained = _scores(base.first, score) if base else None
    every = [row for rows in kept.values() for row in rows.values()]
    every += [untrained] if untrained is not None else []
    shared = sorted(set(every[0]).intersection(*every[1:])) if every else []
    if len(shared) < 2:
        return None, {}

    def vector(row: Scores) -> Any:
        return np.array([row[i] for i in shared], dtype=float)

    vectors: dict[str, Rows] = {
        name: {seed: vector(row) for seed, row in rows.items()} for name, rows in kept.items()
    }
    return (None if untrained is None else vector(untrained)), vectors


def paired_differences(one: Variant, other: Variant, score: str) -> list[list[float]]:
    """Score of `one` minus score of `other`: a row for each pair of cells with the same seed.

    In each row the examples that all have, in the same order. Of different data there are none:
    their ids may be alike, and mean other examples.
    """
    if one.cell.eval_data.sha256 != other.cell.eval_data.sha256:
        return []
    pairs = [(_scores(a, score), _scores(b, score)) for a, b in same_seeds(one, other)]
    return _rows([{i: a[i] - b[i] for i in a if i in b} for a, b in pairs])


def same_seeds(one: Variant, other: Variant) -> list[tuple[Record, Record]]:
    """The cells of both with the same seed."""
    theirs = {r.cell.seed: r for r in other.counted}
    return [(r, theirs[r.cell.seed]) for r in one.counted if r.cell.seed in theirs]


def _scores(record: Record, score: str) -> Scores:
    if score == LOSS:
        return {e.id: e.loss for e in record.examples if e.loss is not None}
    return {e.id: e.scores[score] for e in record.examples if score in e.scores}


def _rows(cells: Sequence[Scores]) -> list[list[float]]:
    """The scores on the examples that all have; cells without any are left out."""
    measured = [scores for scores in cells if scores]
    shared = [i for i in measured[0] if all(i in s for s in measured)] if measured else []
    return [[scores[i] for i in shared] for scores in measured] if shared else []


def gate(variants: Mapping[str, Rows], base: Any, level: float = LEVEL) -> dict[str, Interval]:
    """The interval of each variant's mean minus the base's, by the variant's name.

    The base is trained by nobody and has no luck: it tells nothing of the variants' and is no
    member of their family. What every seed does to all variants alike stays in the difference.

    All hold together (Bonferroni), as it is the best of the variants that is asked about. `base`
    is a numpy vector of the examples that the variants' rows have. One seed is judged by its
    examples.
    """
    estimates = {
        name: crossed([row - base for row in rows.values()]) for name, rows in variants.items()
    }
    spare = {name: f.seeds - 1 for name, f in estimates.items()}
    freedom = sum(spare.values())
    usual = (
        sum(spare[n] * f.seed_square for n, f in estimates.items()) / freedom if freedom else 0.0
    )
    each = level / len(estimates)
    return {name: around(f.mean, _margin(f, usual, freedom, each)) for name, f in estimates.items()}


def _margin(estimate: Crossed, usual: float, freedom: int, level: float) -> float:
    """The half-width as for two variants: luck is its own or the usual, whichever is larger."""
    own = estimate.seeds - 1
    over_examples = estimate.beyond_rest(estimate.example_square)
    square = over_examples * quantile(estimate.examples - 1, level) ** 2
    if own:
        luck = max(estimate.seed_square, usual)
        square += luck * quantile(min(freedom, BORROWED * own), level) ** 2
    return math.sqrt(square / (estimate.seeds * estimate.examples))
