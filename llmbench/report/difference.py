"""Which words a prediction shares with its reference, for the page to mark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

WORD = re.compile(r"\s+|\w+|[^\w\s]")
SHOW_MISSING = 0.5
"""Words that a prediction lacks are shown if it shares at least this much with the reference."""


@dataclass(frozen=True)
class Piece:
    """Text of a prediction that the reference has, that only it has, or that it lacks."""

    kind: Literal["same", "added", "missing"]
    text: str


def marked(prediction: str, references: Sequence[str]) -> tuple[Piece, ...]:
    """The prediction in pieces, against the reference that it is closest to."""
    if not prediction or not references:
        return (Piece("added", prediction),) if prediction else ()
    said = WORD.findall(prediction)
    compared = [(_matcher(wanted, said), wanted) for wanted in map(WORD.findall, references)]
    matcher, wanted = max(compared, key=lambda pair: pair[0].ratio())
    return tuple(_joined(_pieces(matcher, wanted, said)))


def _matcher(wanted: Sequence[str], said: Sequence[str]) -> SequenceMatcher[str]:
    return SequenceMatcher(None, _folded(wanted), _folded(said), autojunk=False)


def _folded(words: Sequence[str]) -> list[str]:
    return [word.casefold() for word in words]


def _pieces(
    matcher: SequenceMatcher[str], wanted: Sequence[str], said: Sequence[str]
) -> Iterator[Piece]:
    missing = matcher.ratio() >= SHOW_MISSING
    for kind, wanted_from, wanted_to, said_from, said_to in matcher.get_opcodes():
        lacking = "".join(wanted[wanted_from:wanted_to]).strip()
        if kind != "equal" and lacking and missing:
            yield Piece("missing", lacking)
        text = "".join(said[said_from:said_to])
        if text:
            yield Piece("added" if kind != "equal" and text.strip() else "same", text)


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """One piece of what is of a kind, and of two that only white space is between."""
    found: list[Piece] = []
    for piece in pieces:
        if (
            len(found) > 1
            and piece.kind == found[-2].kind == "added"
            and not found[-1].text.strip()
        ):
            blank, before = found.pop(), found.pop()
            piece = Piece("added", before.text + blank.text + piece.text)
        elif found and found[-1].kind == piece.kind != "missing":
            piece = Piece(piece.kind, found.pop().text + piece.text)
        found.append(piece)
    return found
