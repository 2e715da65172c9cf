"""The tokens, keys and passwords that this process knows of, and how each may be written."""

from __future__ import annotations

import html
import json
import os
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

from llmbench.redact.shape import PORT

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
