"""Predictions side by side: the examples on which the cells disagree most."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from markupsafe import Markup, escape

from llmbench import text
from llmbench.analysis.standing import Standing
from llmbench.output.html.prose import breakable
from llmbench.output.table import Column, Row, Table, Value
from llmbench.record.figure import Figure
from llmbench.record.record import Example
from llmbench.record.variant import Variant
from llmbench.wording import figures

TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])\s*")
"""A word or a sign with the white space behind it; the first one also with that before it."""
SHOW_MISSING = 0.5
"""Words that a prediction lacks are shown if it shares at least this much with the reference."""


@dataclass(frozen=True)
class Piece:
    """Text of a prediction that the reference has, that only it has, or that it lacks."""

    kind: Literal["same", "added", "missing"]
    text: str

    @property
    def head(self) -> str:
        """What is to be marked: the text without the white space at its end."""
        return self.text.rstrip()

    @property
    def tail(self) -> str:
        """The white space at its end."""
        return self.text[len(self.head) :]


def marked(prediction: str, references: Sequence[str]) -> tuple[Piece, ...]:
    """The prediction in pieces, against the reference that it is closest to."""
    said = TOKEN.findall(prediction)
    if not said or not references:
        return (Piece("added", prediction),) if said else ()
    compared = [(_matcher(wanted, said), wanted) for wanted in map(TOKEN.findall, references)]
    matcher, wanted = max(compared, key=lambda pair: pair[0].ratio())
    return tuple(_joined(_pieces(matcher, wanted, said)))


def _matcher(wanted: Sequence[str], said: Sequence[str]) -> SequenceMatcher[str]:
    return SequenceMatcher(None, _folded(wanted), _folded(said), autojunk=False)


def _folded(tokens: Sequence[str]) -> list[str]:
    return [token.strip().casefold() for token in tokens]


def _pieces(
    matcher: SequenceMatcher[str], wanted: Sequence[str], said: Sequence[str]
) -> Iterator[Piece]:
    missing = matcher.ratio() >= SHOW_MISSING
    for kind, wanted_from, wanted_to, said_from, said_to in matcher.get_opcodes():
        lacking = "".join(wanted[wanted_from:wanted_to])
        if kind != "equal" and lacking and missing:
            yield Piece("missing", lacking)
        if said_to > said_from:
            yield Piece("same" if kind == "equal" else "added", "".join(said[said_from:said_to]))


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces with a space wherever a missing word would touch the word before it."""
    joined: list[Piece] = []
    for piece in pieces:
        touches = joined and not joined[-1].tail and piece.text[:1].isalnum()
        if touches and "missing" in {piece.kind, joined[-1].kind}:
            joined.append(Piece(joined[-1].kind, joined.pop().text + " "))
        joined.append(piece)
    return joined


SHOWN = 6
"""Examples on the page."""
ROWS = 12
"""Different predictions of one example."""
MOST_CELLS = 60
"""Beyond so many cells the page leaves predictions out; the records have them."""
LONGEST = {"input": 1500, "reference": 600, "prediction": 600}

Said = tuple[Variant, Example]
"""What a variant predicted with its first seed that ended well."""


@dataclass(frozen=True)
class Shown:
    """One example with everything that was predicted for it."""

    id: str
    input: str
    references: tuple[str, ...]
    table: Table
    """What was predicted, and by whom: a row for what is word for word the same."""
    spread: str
    """How far apart the lowest and the highest score of a trained cell are."""
    left_out: int = 0


def shown(standing: Standing, inputs: Mapping[str, str]) -> tuple[Shown, ...]:
    """The examples to show, those first on which the scores lie furthest apart."""
    variants = [variant for variant in standing.variants if variant.first.examples]
    if not variants or len(variants) > MOST_CELLS:
        return ()
    rows: dict[str, list[Said]] = {}
    for variant in variants:
        for example in variant.first.examples:
            rows.setdefault(example.id, []).append((variant, example))
    ranked = sorted(rows.items(), key=lambda item: -_spread(item[1], standing.score))
    return tuple(_shown(key, row, standing, inputs.get(key, "")) for key, row in ranked[:SHOWN])


def _spread(row: Sequence[Said], score: Figure | None) -> float:
    if score is None:
        return float(len({example.prediction for _, example in row}))
    trained = [e for variant, e in row if variant.cell.trains] or [e for _, e in row]
    values = [e.scores[score.id] for e in trained if score.id in e.scores]
    return max(values) - min(values) if values else 0.0


def _shown(key: str, row: Sequence[Said], standing: Standing, prompt: str) -> Shown:
    same: dict[str, list[Said]] = {}
    for variant, example in row:
        same.setdefault(example.prediction, []).append((variant, example))
    predictions = [_prediction(group, standing) for group in same.values()]
    references, apart = row[0][1].references, _spread(row, standing.score)
    return Shown(
        id=text.clean(key),
        input=text.cut(prompt, LONGEST["input"]),
        references=tuple(text.cut(r, LONGEST["reference"]) for r in references),
        table=_table(text.clean(key), predictions[:ROWS], standing),
        spread=f"{apart:.3f}" if standing.score and apart else "",
        left_out=max(0, len(predictions) - ROWS),
    )


def _table(key: str, rows: Sequence[Row], standing: Standing) -> Table:
    columns = (
        Column(standing.score.label if standing.score else "Score"),
        Column("Prediction", "text"),
    )
    return Table(f"Predictions for {key}", columns, tuple(rows), style="said")


def _prediction(same: Sequence[Said], standing: Standing) -> Row:
    example = same[0][1]
    score = standing.score
    value = example.scores.get(score.id) if score else None
    limit = LONGEST["prediction"]
    pieces = marked(
        text.cut(example.prediction, limit), [text.cut(r, limit) for r in example.references]
    )
    said = Markup("").join(map(_drawn, pieces)) or Markup("<em>nothing</em>")
    figure = figures.figure_value(score, value) if score and value is not None else ""
    names = Markup(", ").join(breakable(standing.names[variant.id]) for variant, _ in same)
    return Row(names, (Value(figure, absent="not measured"), Value(said)))


def _drawn(piece: Piece) -> Markup:
    if piece.kind == "same":
        return escape(piece.text)
    tag = "ins" if piece.kind == "added" else "del"
    return Markup(f"<{tag}>{{}}</{tag}>{{}}").format(piece.head, piece.tail)
