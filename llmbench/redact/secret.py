"""The tokens, keys and passwords that this process knows of, and how each may be written."""

from __future__ import annotations

import html
import json
import os
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, quote_plus

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
PASSWORD_SHAPE = r"passw(?:or)?d|passphrase|sshpass|_pwd"
KEY = (
    r"secret|(?:api|access|account|private|signing|secret|subscription)[_-]?key"
    r"|(?:access|api|auth|bearer|hf|hub|refresh|security|session)[_-]?token"
)

OPTION = rf"(?:[\w-]{{0,60}}[_-])?(?:(?:api)?key|secret|passw(?:or)?d|passphrase|{TOKEN})"

QUOTE = r"\\{0,3}['\"]"
IS = rf"(?:{QUOTE})?\s{{0,3}}(?:[:=]|%3[AD])\s{{0,3}}+"
HEADER = rf"(?:{QUOTE}\s{{0,3}}[:=,]|\s{{0,3}}[:=])\s{{0,3}}+b?(?:{QUOTE})?"
"""What stands between a header's name and its value, also in Python's words for either."""
SCHEME = r"(?:basic|bearer|token|digest|negotiate|apikey|bot)\s{1,3}"

NO_NUMBER = r"(?![-+]?\d[\d.,_]{0,40}(?:e[-+]?\d{1,4})?(?![\w.%+/-]))"
NO_CODE = (
    r"(?!\[secret\]|\$?\{|<[\w| -]{0,60}>|[a-z_]\w{0,60}(?:\.\w{1,60}){0,9}\()"
    r"(?!(?:none|null|true|false|self|token|secret|password|passwd)(?![\w-]))"
    r"(?!(?-i:[a-z_]{1,60}(?:\.[a-z_]{1,60}){1,9})(?![\w.+/=-]))"
)
"""No placeholder, no special token of a text, and no expression of a program."""
NO_MODULE = r"(?!(?-i:[a-z_]{1,60}(?:\.[a-z0-9_]{1,60}){1,9})(?![\w.+/=-]))"
VALUE = r"[^\s'\",;&)}]"
WITH_DIGIT = rf"(?={VALUE}{{0,200}}\d){VALUE}"


class Shape(NamedTuple):
    """A shape, of whose first group all is kept."""

    hints: tuple[str, ...]
    """One of these is in every text that holds such a secret, which is quickly seen."""
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
        "token key secret pass pwd auth credential sig jwt",
        r"([?&;](?:(?:[\w.-]{0,60}[_.-])?(?:token|key|auth|authorization|credentials?|sig|jwt|pwd"
        r"|signature|(?:aws)?(?:api|access|account|auth|private|signing)key(?:id)?"
        r"|(?:access|api|auth|id|refresh|session)token)"
        r"|[\w.-]{0,60}(?:secret|passw(?:or)?d|passphrase))"
        rf"(?:[_.-][\w.-]{{0,60}})?=){NO_NUMBER}(?!<)[^&\s'\"#]+",
    ),
    # Headers, in text and in what Python says of them.
    _shape("authorization", rf"(authorization{HEADER}{SCHEME})[^\s'\",}}]+"),
    _shape(
        "authorization",
        rf"(authorization(?:{QUOTE})?\s{{0,3}}[:=,]\s{{0,3}}b?{QUOTE})(?!{SCHEME}|\[secret\])"
        r"[^'\"\n]+",
    ),
    _shape(
        "authorization",
        rf"(authorization{HEADER}(?:[\w-]{{1,30}}\s{{1,3}})?)(?!{SCHEME}){WITH_DIGIT}{{6,}}",
    ),
    _shape("bearer", r"(\bbearer\s+)[\w.~+/=-]{8,}"),
    _shape(
        "x- private-token job-token",
        r"((?<![\w-])(?:x-[\w-]{0,40}(?:token|key|secret|auth|signature)|(?:private|job)-token)"
        rf"{HEADER}){NO_NUMBER}(?!\[secret\])[^\s'\",}}]{{3,}}",
    ),
    _shape("cookie", rf"(cookie{HEADER})(?=[^\s=;'\"]{{1,100}}=)[^\r\n'\"]{{1,4000}}"),
    # Options of commands, as they are typed, quoted, or listed.
    _shape(
        "--",
        rf"((?<![\w-])--{OPTION}(?:=|\s{{1,3}}+))(?!-){NO_NUMBER}(?!<)"
        r"(?:'[^'\n]{0,500}'|\"[^\"\n]{0,500}\"|[^\s'\"])+",
    ),
    _shape(
        "'-- \"--",
        rf"((['\"])--{OPTION}(?:=|\2,\s{{0,3}}\2)){NO_NUMBER}(?!<)(?:(?!\2)[^\n]){{1,500}}",
    ),
    # Names with their values: one in quotes, one behind a bare =, one that holds a digit.
    _shape(
        "pass pwd secret key token",
        rf"((?:{PASSWORD_SHAPE}|{KEY}){IS}b?({QUOTE}))(?!\[secret\])(?:(?!\2)[^\n]){{1,500}}",
    ),
    _shape(
        "pass pwd secret key token",
        rf"((?:(?:{PASSWORD_SHAPE})|(?:{KEY})(?={IS}{NO_NUMBER}))(?:=|%3D)){NO_CODE}{VALUE}{{3,}}",
    ),
    _shape(
        "pass pwd secret key token",
        rf"((?:(?:{PASSWORD_SHAPE})|(?:{KEY})(?={IS}{NO_NUMBER})){IS}){NO_CODE}{WITH_DIGIT}{{6,}}",
    ),
    _shape(
        "token", rf"({TOKEN}{IS}b?(?:{QUOTE})?){NO_NUMBER}{NO_CODE}{NO_MODULE}{WITH_DIGIT}{{8,}}"
    ),
    # What is known by how it starts.
    _shape("hf_ api_org_", rf"(){START}(?:hf|api_org)_[A-Z0-9]{{20,}}"),
    _shape("sk-", rf"(){START}sk-(?=[\w-]{{0,60}}[A-Z0-9_]{{16}})(?=[\w-]{{0,200}}\d)[\w-]{{16,}}"),
    _shape("sk_ rk_", rf"(){START}[sr]k_(?:live|test)_[A-Z0-9]{{10,}}"),
    _shape(
        "gh github_pat_ glpat-",
        rf"(){START}(?:gh[pousr]_[A-Z0-9]{{20,}}|github_pat_\w{{20,}}|glpat-[\w-]{{16,}})",
    ),
    _shape("xox", rf"(){START}xox[a-z]-[\w-]{{10,}}"),
    _shape("akia asia", rf"(){START}(?:AKIA|ASIA)[0-9A-Z]{{16}}\b"),
    _shape("aiza", rf"(){START}AIza[\w-]{{30,}}"),
    _shape("eyj", rf"(){START}eyJ[\w-]{{8,2000}}\.[\w-]{{8,2000}}\.[\w-]*"),
)


NAMES = re.compile(
    r"(?:^|_)(?:(?:ACCESS|API|AUTH)?(?:TOKEN|KEY)|SECRETS?|CREDENTIALS?|PAT|AUTH|JWT)(?:_|$)"
    r"|(?<!BY)(?<!COM)PASS(?:WORD|WD|PHRASE)?(?:_|$)|_PWD$",
    re.IGNORECASE,
)
"""Names of variables whose values are secret. Settings of llmbench's own are none."""
OURS = "LLMBENCH_"
LEAST = 6
"""Characters of a value that is taken for a secret: a shorter one is part of any text."""
NEVER = re.compile(r"(?i:true|false)|[\d.]+|[a-z]{1,11}")
"""Values of such variables that are no secrets: what is on or off, numbers, and words."""
PASSWORD = re.compile(rf":/{{1,2}}[^/\s@:]*:{PORT}([^\s,]+)@")
"""The password in an address."""

_ids: set[str] = set()


def leave(ids: Iterable[str]) -> None:
    """Take no id of a plugin, nor a part of one, for a secret, whichever variable holds it."""
    for name in ids:
        _ids.update((name, *re.split(r"[-_.]", name)))


def known() -> frozenset[str]:
    """The secrets that this process can read, each in every form that it may have."""
    plain = {s for value in _values() for line in value.splitlines() if (s := _worth(line))}
    return frozenset(form for s in plain for form in forms(s))


def forms(text: str) -> set[str]:
    """The text as it is, and as it looks in an address, in HTML, in a string and in base64."""
    data = text.encode(errors="surrogateescape")
    addressed = {quote(data, safe=""), quote(data), quote_plus(data)}
    return {
        text,
        *addressed,
        *(re.sub("%..", lambda escape: escape[0].lower(), a) for a in addressed),
        html.escape(text),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        repr(text)[1:-1],
        repr(data)[2:-1],
        b64encode(data).decode().rstrip("="),
    }


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
