"""Redaction: secrets, home directories, and names of user and host are removed from texts.

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
"""Secrets of so many characters are replaced even inside words; a shorter one could be part of a
word by chance."""
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,23}")
"""Ordinary names of figures and options, which are kept so that they can be looked up."""


@dataclass(frozen=True, eq=False)
class Redactor:
    """What to redact, as it was known when this was made."""

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
        """The text without secrets and home directories, and without names in paths."""
        return self.who.without_names_in_paths(self._without_homes(text))

    def text(self, text: str) -> str:
        """The same, without names anywhere except in ids of a hub's models."""
        return self.who.without_names(self._without_homes(text))

    def folder(self, text: str) -> str:
        """The same of a directory, whose `owner/name` is no id of a model."""
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
        """The values under redacted names; names that become equal are numbered."""
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
    """The text without lone surrogates, which file names that are not UTF-8 have."""
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
