"""Which words a prediction shares with its reference, for the page to mark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

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
    found: list[Piece] = []
    for piece in pieces:
        touches = found and not found[-1].tail and piece.text[:1].isalnum()
        if touches and "missing" in {piece.kind, found[-1].kind}:
            found.append(Piece(found[-1].kind, found.pop().text + " "))
        found.append(piece)
    return found
