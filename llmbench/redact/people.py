"""Who and where the user is: names and home directories, and what they look like in a text."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llmbench.redact.secret import START, forms

USER, HOST, HOME = "user", "host", "~"
PLAIN = frozenset(
    {
        *("admin", "app", "base", "data", "docker", "full", "guest", "home", "host", "jenkins"),
        *("local", "localhost", "model", "nobody", "root", "runner", "test", "ubuntu", "user"),
        *("cpu", "cuda", "gpu", "llmbench", "python", "torch", "transformers", "work", "worker"),
    }
)
"""Names of users and hosts that identify nobody and are ordinary words."""
LEAST = 3
"""Length of the shortest name that is hidden."""
HUB_ID = re.compile(
    r"(?<![\w./\\~@:%$-])(?<!--output[ =])((?!(?:data|home|mnt|reports|scratch|tmp|users?|work)/)"
    r"\w[\w.-]*+/\w[\w.-]*+)(?![\w/\\])"
)
"""A model of a hub, `owner/name`: public, whoever the owner is."""
WORD = re.compile(r"\S+")
SEPARATOR = re.compile(r"[/\\]|%2F", re.IGNORECASE)
"""What makes a word a path."""


@dataclass(frozen=True, eq=False)
class Who:
    """The user's home directories and the names of user and host, as patterns."""

    homes: re.Pattern[str] | None
    names: tuple[tuple[re.Pattern[str], str], ...]

    def without_homes(self, text: str) -> str:
        """The text with `~` for the home directory."""
        return self.homes.sub(HOME, text) if self.homes else text

    def without_names(self, text: str) -> str:
        """The text without names anywhere, but for the owners of models on a hub."""
        if not self._named(text):
            return text
        pieces = HUB_ID.split(text)  # every other one looks like a model of a hub
        return "".join(
            piece if i % 2 and not _is_file(piece) else self.anonymous(piece)
            for i, piece in enumerate(pieces)
        )

    def without_names_in_paths(self, text: str) -> str:
        """The text without names in paths; other words are left alone."""
        if not self._named(text):
            return text
        return WORD.sub(
            lambda w: self.without_names(w[0]) if SEPARATOR.search(w[0]) else w[0], text
        )

    def anonymous(self, text: str) -> str:
        """The text without names anywhere."""
        for pattern, word in self.names:
            text = pattern.sub(word, text)
        return text

    def _named(self, text: str) -> bool:
        return any(pattern.search(text) for pattern, _ in self.names)


def patterns(homes: Iterable[str], users: frozenset[str], hosts: frozenset[str]) -> Who:
    """The patterns for these homes and names."""
    names = [(_words(users), USER), (_words(hosts - users), HOST)]
    return Who(
        homes=any_of((f for h in homes for f in forms(h)), before=rf"{START}(?<![.~-])"),
        names=tuple((pattern, word) for pattern, word in names if pattern),
    )


def any_of(
    texts: Iterable[str], before: str = START, after: str = r"(?![\w.-])", flags: int = 0
) -> re.Pattern[str] | None:
    """A pattern for any of the texts, the longest first; None for none."""
    ordered = sorted(set(filter(None, texts)), key=lambda t: (-len(t), t))
    if not ordered:
        return None
    return re.compile(before + "(?:" + "|".join(map(re.escape, ordered)) + ")" + after, flags)


def homes() -> list[str]:
    """The spellings of the home directory; none if it is `/`."""
    with contextlib.suppress(RuntimeError, OSError):
        home = Path.home()
        return [h for h in {str(home), str(home.resolve())} if len(Path(h).parts) > 1]
    return []


def users() -> list[str]:
    """Possible names of the user."""
    names = [os.environ.get(n, "") for n in ("USER", "LOGNAME", "USERNAME")]
    with contextlib.suppress(KeyError, OSError, ImportError):
        names.append(getpass.getuser())
    with contextlib.suppress(RuntimeError, OSError):
        names.append(Path.home().name)
    return names


def hosts() -> list[str]:
    """The name of the machine, with and without its domain."""
    with contextlib.suppress(OSError):
        whole = socket.gethostname()
        return [whole, whole.partition(".")[0]]
    return []


def _words(names: Iterable[str]) -> re.Pattern[str] | None:
    telling = [n for n in names if len(n) >= LEAST and n.lower() not in PLAIN]
    return any_of(telling, START, r"(?![A-Za-z0-9])", re.IGNORECASE)


def _is_file(text: str) -> bool:
    return Path(text).suffix[1:].isalpha()
