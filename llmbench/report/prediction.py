"""Predictions side by side: the examples on which the cells disagree most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmbench.arm import Arm
from llmbench.figure import Figure
from llmbench.record import Example
from llmbench.report import words
from llmbench.report.difference import Piece, marked
from llmbench.report.standing import Standing

SHOWN = 6
"""Examples on the page."""
ROWS = 12
"""Different predictions of one example."""
MOST_CELLS = 60
"""Beyond so many cells the page leaves predictions out; the records have them."""
LONGEST = {"input": 1500, "reference": 600, "prediction": 600}

Said = tuple[Arm, Example]
"""What an arm predicted with its first seed that ended well."""


@dataclass(frozen=True)
class Prediction:
    """What one or more cells predicted, word for word the same."""

    names: tuple[str, ...]
    score: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Shown:
    """One example with everything that was predicted for it."""

    id: str
    input: str
    references: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    spread: str
    """How far apart the lowest and the highest score of a trained cell are."""
    left_out: int = 0


def shown(standing: Standing, inputs: Mapping[str, str]) -> tuple[Shown, ...]:
    """The examples to show, those first on which the scores lie furthest apart."""
    arms = [arm for arm in standing.arms if arm.first.examples]
    if not arms or len(arms) > MOST_CELLS:
        return ()
    rows: dict[str, list[Said]] = {}
    for arm in arms:
        for example in arm.first.examples:
            rows.setdefault(example.id, []).append((arm, example))
    ranked = sorted(rows.items(), key=lambda item: -_spread(item[1], standing.score))
    return tuple(_shown(key, row, standing, inputs.get(key, "")) for key, row in ranked[:SHOWN])


def _spread(row: Sequence[Said], score: Figure | None) -> float:
    if score is None:
        return float(len({example.prediction for _, example in row}))
    trained = [e for arm, e in row if arm.cell.trains] or [e for _, e in row]
    values = [e.scores[score.id] for e in trained if score.id in e.scores]
    return max(values) - min(values) if values else 0.0


def _shown(key: str, row: Sequence[Said], standing: Standing, given: str) -> Shown:
    same: dict[str, list[Said]] = {}
    for arm, example in row:
        same.setdefault(example.prediction, []).append((arm, example))
    found = [_prediction(group, standing) for group in same.values()]
    references, apart = row[0][1].references, _spread(row, standing.score)
    return Shown(
        id=words.clean(key),
        input=words.cut(given, LONGEST["input"]),
        references=tuple(words.cut(r, LONGEST["reference"]) for r in references),
        predictions=tuple(found[:ROWS]),
        spread=f"{apart:.3f}" if standing.score and apart else "",
        left_out=max(0, len(found) - ROWS),
    )


def _prediction(same: Sequence[Said], standing: Standing) -> Prediction:
    example = same[0][1]
    score = standing.score
    value = example.scores.get(score.id) if score else None
    limit = LONGEST["prediction"]
    return Prediction(
        names=tuple(standing.names[arm.id] for arm, _ in same),
        score=words.figure_value(score, value) if score and value is not None else "",
        pieces=marked(
            words.cut(example.prediction, limit), [words.cut(r, limit) for r in example.references]
        ),
    )
