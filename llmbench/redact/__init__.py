"""What must not be written down is taken out: secrets, and who and where the user is.

Data and predictions are the user's own, and are not touched; nor is a figure, nor what llmbench
itself or a plugin calls things.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from typing import Any

from llmbench.redact import people, secret
from llmbench.redact.people import Who
from llmbench.redact.secret import SHAPES, START

SECRET = "[secret]"
LONG = 16
"""Characters of a secret that is no accident wherever it stands; a shorter one may be part of a
word."""
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,23}")
"""What figures and options are called as a rule: to find them again, their names must stay."""


@dataclass(frozen=True, eq=False)
class Redactor:
    """What is to be taken out, as of one moment."""

    secrets: tuple[str, ...]
    """Those that are known, the longest first, in every form that they may have."""
    who: Who

    def without_secrets(self, text: str) -> str:
        """The text without secrets."""
        present = tuple(s for s in self.secrets if s in text)
        if present:
            text = _known(present).sub(SECRET, text)
        lowered = text.lower()
        for shape in SHAPES:
            text = shape.sub(SECRET, text, lowered)
        return text

    def place(self, text: str) -> str:
        """The same without the user's home directory, and without names in paths."""
        return self.who.without_names_in_paths(self._without_homes(text))

    def text(self, text: str) -> str:
        """The same without names anywhere, but for those of a hub's models."""
        return self.who.without_names(self._without_homes(text))

    def folder(self, text: str) -> str:
        """The same of a directory of the user's, which is no model of a hub."""
        return self.who.anonymous(self._without_homes(text))

    def tree(self, value: Any) -> Any:
        """Plain data with every text in them redacted as a place is."""
        if isinstance(value, str):
            return _place(self, value)
        if isinstance(value, Mapping):
            return self.keyed({str(k): self.tree(v) for k, v in value.items()})
        if isinstance(value, list | tuple):
            return [self.tree(v) for v in value]
        return value

    def keyed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same values by names without secrets and paths; none takes the place of another."""
        renamed: dict[str, Any] = {}
        for name, value in values.items():
            clean = name if IDENTIFIER.fullmatch(name) else _place(self, name)
            ways = chain([clean], (f"{clean} {n}" for n in count(2)))
            renamed[next(way for way in ways if way not in renamed)] = value
        return renamed

    def _without_homes(self, text: str) -> str:
        return self.who.without_homes(self.without_secrets(text))


@lru_cache(maxsize=2**12)
def _place(by: Redactor, text: str) -> str:
    # The cells of a comparison share nearly all of their texts.
    return by.place(writable(text))


@lru_cache(maxsize=2**8)
def _known(texts: tuple[str, ...]) -> re.Pattern[str]:
    end = r"(?![A-Za-z0-9])"
    ways = [re.escape(t) if len(t) >= LONG else START + re.escape(t) + end for t in texts]
    return re.compile("|".join(ways))


def writable(text: str) -> str:
    """The text without halves of characters, as a file's name that is no UTF-8 has them."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def redactor() -> Redactor:
    """What is to be taken out now."""
    return _redactor(
        secret.known(),
        frozenset(people.homes()),
        frozenset(people.users()),
        frozenset(people.hosts()),
    )


def text(value: str) -> str:
    """A text without secrets and names, that can be written."""
    return redactor().text(writable(value))


def secrets(value: str) -> str:
    """A text without secrets, for the user's own eyes."""
    return redactor().without_secrets(value)


@lru_cache(maxsize=8)
def _redactor(
    known: frozenset[str], homes: frozenset[str], users: frozenset[str], hosts: frozenset[str]
) -> Redactor:
    ordered = sorted(filter(None, known), key=lambda s: (-len(s), s))
    return Redactor(tuple(ordered), people.patterns(homes, users, hosts))
