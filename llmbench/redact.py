"""What must not be written down is taken out: secrets, and who and where the user is.

Data and predictions are the user's own, and are not touched.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmbench import secret
from llmbench.record import Cell, Record

SECRET, USER, HOST, HOME = "[secret]", "user", "host", "~"
PLAIN = frozenset(
    {
        *("admin", "app", "base", "data", "docker", "full", "guest", "home", "host", "jenkins"),
        *("local", "localhost", "model", "nobody", "root", "runner", "test", "ubuntu", "user"),
        *("cpu", "cuda", "gpu", "llmbench", "python", "torch", "transformers", "work", "worker"),
    }
)
"""Names of users and hosts that tell nothing, and may be words of a text."""
LEAST = 3
"""Letters of a name that is worth hiding."""
PROSE = frozenset({"reason", "traceback", "warnings", "notices", "command", "skip", "name"})
"""Keys of texts in which names stand as words; elsewhere they are hidden in paths alone."""
MEASURED = {"environment", "phases", "steps", "examples", "generation"}
"""Parts of a record in which nothing is to be redacted, or may be."""
WORD = re.compile(r"\S+")
TEMPORARY = ".redacted"


@dataclass(frozen=True, eq=False)
class Redactor:
    """What is to be taken out, as of one moment."""

    secrets: re.Pattern[str] | None
    homes: re.Pattern[str] | None
    names: tuple[tuple[re.Pattern[str], str], ...]

    def without_secrets(self, text: str) -> str:
        """The text without secrets."""
        if self.secrets:
            text = self.secrets.sub(SECRET, text)
        for pattern, kept in secret.PATTERNS:
            text = pattern.sub(rf"{kept}{SECRET}", text)
        return text

    def place(self, text: str) -> str:
        """The same without the user's home directory, and without names in paths."""
        text = self.without_secrets(text)
        if self.homes:
            text = self.homes.sub(HOME, text)
        return WORD.sub(lambda word: self._in_path(word[0]), text) if self.names else text

    def text(self, text: str) -> str:
        """The same without names anywhere."""
        return self._without_names(self.place(text))

    def tree(self, value: Any, key: str = "") -> Any:
        """Plain data with every text in them redacted, those of prose without names anywhere."""
        if isinstance(value, str):
            return _of_tree(self, value, key in PROSE)
        if isinstance(value, Mapping):
            return {k: self.tree(v, str(k)) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(v, key) for v in value]
        return value

    def _in_path(self, word: str) -> str:
        return self._without_names(word) if "/" in word or "\\" in word else word

    def _without_names(self, text: str) -> str:
        for pattern, word in self.names:
            text = pattern.sub(word, text)
        return text


@lru_cache(maxsize=2**12)
def _of_tree(by: Redactor, text: str, prose: bool) -> str:
    # The cells of a comparison share nearly all of their texts.
    return by.text(_writable(text)) if prose else by.place(_writable(text))


def _writable(text: str) -> str:
    # A file's name that is no UTF-8 stands in a message with halves of characters.
    return text if text.isascii() else text.encode(errors="replace").decode()


def redactor() -> Redactor:
    """What is to be taken out now."""
    return _redactor(secret.known(), frozenset(_homes()), frozenset(_users()), frozenset(_hosts()))


def text(value: str) -> str:
    """A text without secrets and names, that can be written."""
    return redactor().text(_writable(value))


def secrets(value: str) -> str:
    """A text without secrets, for the user's own eyes."""
    return redactor().without_secrets(value)


def cell(value: Cell) -> Cell:
    """A cell as it is stored and shown."""
    return Cell.model_validate(redactor().tree(value.model_dump(mode="json")))


def record(value: Record) -> Record:
    """A record as it is stored: everything but its measurements and its examples redacted."""
    plain = value.model_dump(mode="json", exclude=MEASURED)
    kept = {name: getattr(value, name) for name in MEASURED}
    return Record.model_validate(redactor().tree(plain) | kept)


def file(path: Path) -> None:
    """Redact a log in place; one that holds nothing to take out is left as it is."""
    found, changed = redactor(), False
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    with contextlib.suppress(OSError):
        with path.open("rb") as lines, temporary.open("wb") as clean:
            for line in lines:
                # Bytes that are no text stay what they are.
                redacted = found.text(line.decode(errors="surrogateescape"))
                content = redacted.encode(errors="surrogateescape")
                changed |= content != line
                clean.write(content)
        if changed:
            temporary.replace(path)
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


@lru_cache(maxsize=8)
def _redactor(
    known: frozenset[str], homes: frozenset[str], users: frozenset[str], hosts: frozenset[str]
) -> Redactor:
    names = [(_words(users), USER), (_words(hosts - users), HOST)]
    return Redactor(
        secrets=_any_of(known),
        homes=_any_of(homes, after=r"(?![\w.-])"),
        names=tuple((pattern, word) for pattern, word in names if pattern),
    )


def _any_of(texts: Iterable[str], before: str = "", after: str = "") -> re.Pattern[str] | None:
    """A pattern for any of the texts, the longest first; None for none."""
    ordered = sorted(filter(None, texts), key=lambda t: (-len(t), t))
    if not ordered:
        return None
    return re.compile(before + "(?:" + "|".join(map(re.escape, ordered)) + ")" + after)


def _words(names: Iterable[str]) -> re.Pattern[str] | None:
    telling = [n for n in names if len(n) >= LEAST and n.lower() not in PLAIN]
    return _any_of(telling, r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])")


def _homes() -> list[str]:
    """The home directory as it may be written; none where it is the root of everything."""
    with contextlib.suppress(RuntimeError, OSError):
        home = Path.home()
        return [h for h in {str(home), str(home.resolve())} if len(Path(h).parts) > 1]
    return []


def _users() -> list[str]:
    names = [os.environ.get(n, "") for n in ("USER", "LOGNAME", "USERNAME")]
    with contextlib.suppress(KeyError, OSError, ImportError):
        names.append(getpass.getuser())
    with contextlib.suppress(RuntimeError, OSError):
        names.append(Path.home().name)
    return names


def _hosts() -> list[str]:
    with contextlib.suppress(OSError):
        whole = socket.gethostname()
        return [whole, whole.partition(".")[0]]
    return []
