"""Special tokens that stand in data: text, unless somebody asks for the tokens themselves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

Covered = Mapping[str, str]
"""Stand-ins, and what somebody says that each stands for."""


class Special:
    """A tokenizer's special tokens, as they are written in texts."""

    def __init__(self, tokenizer: Any, as_text: bool = True) -> None:
        """`as_text` says whether what looks like one in what people say is letters."""
        self._tokenizer = tokenizer
        self._as_text = as_text
        added = tokenizer.added_tokens_decoder.items()
        self.written = {number: token.content for number, token in added if token.special}
        self.known = frozenset(self.written.values())
        longest_first = sorted(self.written.values(), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def within(self, text: str) -> list[str]:
        """Those that stand in a text, each once."""
        return list(dict.fromkeys(self._pattern.findall(text)))

    def cover(self, said: str) -> tuple[str, Covered]:
        """What somebody says, with a stand-in for it where a token in it is to be letters.

        A template has the stand-in to fill in, so that nothing said passes for the template's own.
        """
        if not self._as_text or not self._pattern.search(said):
            return said, {}
        core = said.strip()
        name = f"Text{hashlib.sha256(core.encode()).hexdigest()[:16]}"
        return said.replace(core, name), {name: core}

    def encode(self, text: str, covered: Covered, opens: bool = False) -> list[int]:
        """Token ids of a text, that which stand-ins stand for as letters.

        `opens` has the tokenizer add what a text starts with.
        """
        if not covered:
            return self._ids(text, opens)
        pieces = re.split(f"({'|'.join(covered)})", text)
        ids: list[int] = []
        for number, piece in enumerate(pieces):
            if piece or (opens and number == 0):
                letters = covered.get(piece)
                first = opens and number == 0
                ids += (
                    self._ids(piece, first) if letters is None else self._ids(letters, as_text=True)
                )
        return ids

    def _ids(self, text: str, opens: bool = False, as_text: bool = False) -> list[int]:
        encoded = self._tokenizer(text, add_special_tokens=opens, split_special_tokens=as_text)
        return list(encoded["input_ids"])


def without_end(text: str, ends: Sequence[str]) -> str:
    """A text without tokens at its end that end a text, and the white space around them."""
    bare = text.rstrip()
    for end in ends:
        if end and bare.endswith(end):
            return without_end(bare.removesuffix(end), ends)
    return text
