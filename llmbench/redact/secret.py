"""The tokens, keys and passwords that this process knows of, and how each may be written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

START = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt])|(?<=\[\dm)|(?<=\[\d\dm))"
"""Where a word starts: also behind a percent escape, an escaped line break or a colour."""

PORT = r"(?!\d{1,5}[/?#])"
USERINFO = rf"(?:[^/\s@'\":]{{0,100}}:{PORT}[^\s'\"<>?,]{{0,300}}|[^/\s'\"]{{1,300}})(?=@)"
"""User and password in an address, up to the last @: a password may hold one, and a slash."""

COUNTED = (
    *("pad", "eos", "bos", "unk", "mask", "sep", "cls", "new", "per", "max", "min", "num", "end"),
    *("stop", "start", "next", "last", "first", "input", "output", "target", "special", "image"),
)
"""What stands before `token` where it is one of a text, and no secret."""
TOKEN = "".join(rf"(?<!{w})(?<!{w}[_ -])" for w in COUNTED) + "token"
PASSWORD_NAME = r"(?:passw(?:or)?d|passphrase|_pwd)"
KEY_NAME = (
    r"(?:secret|(?:api|access|private|secret)[_-]?key"
    r"|(?:access|api|auth|bearer|hf|hub|refresh|session)[_-]?token)"
)

QUOTE = r"\\{0,3}['\"]"
IS = rf"(?:{QUOTE})?\s{{0,3}}[:=]\s{{0,3}}+"
NO_NUMBER = r"(?![-+]?\d[\d.,_]{0,40}(?:e[-+]?\d{1,4})?(?![\w.%+/-]))"
NO_CODE = (
    r"(?!\[secret\]|\$?\{|<[\w| -]{0,60}>|[a-z_]\w{0,60}(?:\.\w{1,60}){0,9}\()"
    r"(?!(?:none|null|true|false|self|token|secret|password|passwd)(?![\w-]))"
    r"(?!(?-i:[a-z_]{1,60}(?:\.[a-z0-9_]{1,60}){1,9})(?![\w.+/=-]))"
)
"""Rules out placeholders, special tokens, and expressions of Python."""
VALUE = r"[^\s'\",;&)}]"
WITH_DIGIT = rf"(?={VALUE}{{0,200}}\d){VALUE}"


class Shape(NamedTuple):
    """What a kind of secret looks like. The first group stands before the secret and is kept."""

    hints: tuple[str, ...]
    """Every text with such a secret has one of these: a quick test before the pattern."""
    pattern: re.Pattern[str]

    def sub(self, by: str, text: str, lowered: str) -> str:
        """The text with `by` in place of such secrets; `lowered` is the text in lower case."""
        if not any(hint in lowered for hint in self.hints):
            return text
        return self.pattern.sub(rf"\1{by}", text)


def _shape(hints: str, pattern: str) -> Shape:
    return Shape(tuple(hints.split()), re.compile(pattern, re.IGNORECASE | re.DOTALL))


BEGIN, END = r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY", r"-----END [A-Z ]{0,30}PRIVATE KEY"

SHAPES: tuple[Shape, ...] = (
    _shape("private", rf"(){BEGIN}.*?(?:{END}[A-Z ]{{0,10}}-----|\Z)"),
    # Addresses: who is let in, and what a query tells.
    _shape("@", rf"(:/{{1,2}}){USERINFO}"),
    _shape(
        "token= key= secret= passw auth= signature= sig=",
        r"([?&][\w.-]{0,60}(?:token|key|secret|passw(?:or)?d|auth|sig(?:nature)?)=)"
        rf"{NO_NUMBER}(?!<)[^&\s'\"#]+",
    ),
    # Headers of requests, in text and in what Python says of them.
    _shape(
        "authorization",
        rf"(authorization(?:{QUOTE})?\s{{0,3}}[:=,]\s{{0,3}}b?(?:{QUOTE})?"
        rf"(?:(?:basic|bearer|token|digest)\s{{1,3}}|(?:[\w-]{{1,30}}\s{{1,3}})?(?={WITH_DIGIT})))"
        r"[^\s'\",}]+",
    ),
    _shape("bearer", r"(\bbearer\s+)[\w.~+/=-]{8,}"),
    # Options of commands.
    _shape(
        "--",
        rf"((?<![\w-])--(?:[\w-]{{0,60}}-)?(?:(?:api)?key|secret|{PASSWORD_NAME}|{TOKEN})"
        rf"(?:=|\s{{1,3}}+))(?!-){NO_NUMBER}(?!<)(?:'[^'\n]{{0,500}}'|\"[^\"\n]{{0,500}}\"|[^\s'\"])+",
    ),
    # Names with their values: one in quotes, one behind a bare =, one that holds a digit.
    _shape(
        "pass pwd secret key token",
        rf"((?:{PASSWORD_NAME}|{KEY_NAME}){IS}b?({QUOTE}))(?!\[secret\])(?:(?!\2)[^\n]){{1,500}}",
    ),
    _shape(
        "pass pwd secret key token",
        rf"((?:{PASSWORD_NAME}|{KEY_NAME}(?={IS}{NO_NUMBER}))=){NO_CODE}{VALUE}{{3,}}",
    ),
    _shape(
        "pass pwd secret key token",
        rf"((?:{PASSWORD_NAME}|{KEY_NAME}(?={IS}{NO_NUMBER})){IS}){NO_CODE}{WITH_DIGIT}{{6,}}",
    ),
    _shape("token", rf"({TOKEN}{IS}b?(?:{QUOTE})?){NO_NUMBER}{NO_CODE}{WITH_DIGIT}{{8,}}"),
    # What is known by how it starts.
    _shape(
        "hf_ api_org_ sk- sk_ rk_ gh github_pat_ glpat- xox akia asia aiza eyj",
        rf"(){START}(?:(?:hf|api_org)_[A-Z0-9]{{20,}}"
        r"|sk-(?=[\w-]{0,60}[A-Z0-9_]{16})(?=[\w-]{0,200}\d)[\w-]{16,}"
        r"|[sr]k_(?:live|test)_[A-Z0-9]{10,}"
        r"|gh[pousr]_[A-Z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
        r"|xox[a-z]-[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}\b|AIza[\w-]{30,}"
        r"|eyJ[\w-]{8,2000}\.[\w-]{8,2000}\.[\w-]*)",
    ),
)


NAMES = re.compile(
    r"(?:^|_)(?:(?:ACCESS|API|AUTH)?(?:TOKEN|KEY)|SECRETS?|CREDENTIALS?|PAT|AUTH|JWT)(?:_|$)"
    r"|(?<!BY)(?<!COM)PASS(?:WORD|WD|PHRASE)?(?:_|$)|_PWD$",
    re.IGNORECASE,
)
"""Names of variables whose values are secret. Settings of llmbench's own are none."""
OURS = "LLMBENCH_"
LEAST = 6
"""Length of the shortest value that is taken for a secret: shorter ones are in any text."""
NEVER = re.compile(r"(?i:true|false)|[\d.]+|[a-z]{1,11}")
"""Values of such variables that are no secrets: what is on or off, numbers, and words."""
PASSWORD = re.compile(rf":/{{1,2}}[^/\s@:]*:{PORT}([^\s,]+)@")
"""The password in an address."""

_ids: set[str] = set()


def leave(ids: Iterable[str]) -> None:
    """Never redact these ids of plugins or parts of them, even if a secret variable holds one."""
    for name in ids:
        _ids.update((name, *re.split(r"[-_.]", name)))


def known() -> frozenset[str]:
    """The secrets that this process can read, each in every form that it may have."""
    plain = {s for value in _values() for line in value.splitlines() if (s := _worth(line))}
    return frozenset(form for s in plain for form in forms(s))


def forms(text: str) -> set[str]:
    """The text as it is, in an address, and in a string of JSON or Python."""
    data = text.encode(errors="surrogateescape")
    return {text, quote(data, safe=""), json.dumps(text)[1:-1], repr(text)[1:-1]}


def _values() -> Iterator[str]:
    for name, value in os.environ.items():
        if NAMES.search(name) and not name.startswith(OURS) and not _is_path(value):
            yield value
        yield from PASSWORD.findall(value)
    for path in _token_files():
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, ValueError):
            continue
        yield from (line.partition(" = ")[2] or line for line in lines if not line.startswith("["))


def _token_files() -> list[Path]:
    """Where the hub's client keeps tokens: the one in use, and all, under a heading each."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = Path(os.path.expanduser(os.environ.get("HF_HOME") or f"{cache}/huggingface"))
    return [
        Path(os.environ.get("HF_TOKEN_PATH") or home / "token"),
        Path(os.environ.get("HF_STORED_TOKENS_PATH") or home / "stored_tokens"),
    ]


def _worth(value: str) -> str:
    value = value.strip()
    hidden = len(value) >= LEAST and not NEVER.fullmatch(value) and value not in _ids
    return value if hidden else ""


def _is_path(value: str) -> bool:
    return os.sep in value and os.path.exists(value)
