"""Tokens, keys and passwords: those that this process knows of, and what others look like."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

NAMES = re.compile(
    r"(?:^|_)(?:TOKEN|(?:API)?KEY|SECRET|PASS(?:WORD|WD|PHRASE)?|CREDENTIALS?|PAT|AUTH)(?:_|$)",
    re.IGNORECASE,
)
"""Names of variables whose values are secret. Settings of llmbench's own are none."""
OURS = "LLMBENCH_"
LEAST = 6
"""Characters of a value that is taken for a secret: a shorter one is part of any text."""
NEVER = re.compile(r"true|false|\d+", re.IGNORECASE)
PASSWORD = re.compile(r":/{1,2}[^/\s@]*?:([^/\s@]+)@")
"""The password in an address."""

PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), kept)
    for pattern, kept in (
        (r"(:/{1,2})[^/\s@'\"]+(?=@)", r"\1"),
        (
            r"([?&;][\w.-]{0,60}(?:token|key|secret|passw(?:or)?d|sig(?:nature)?|credential|auth)"
            r"[\w.-]{0,60}=)[^&\s'\"#]+",
            r"\1",
        ),
        (r"(authorization['\"]?\s*[:=]\s*['\"]?(?:\w+\s+)?)[^\s'\",}]+", r"\1"),
        (r"(\bbearer\s+)[\w.~+/=-]{8,}", r"\1"),
        (r"(--[\w-]{0,60}(?:token|password|passwd|secret|key)[ =])\S+", r"\1"),
        (
            r"((?:api[_-]?key|access[_-]?key|token|secret|password|passwd)['\"]?\s*[=:]\s*['\"]?)"
            r"(?!\[)(?=[^\s'\",;&)}]{0,200}\d)[^\s'\",;&)}]{8,}",
            r"\1",
        ),
        (r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}-----|$)", ""),
        (r"\b(?:hf|api_org)_[A-Za-z0-9]{20,}", ""),
        (r"\bsk-[\w-]{16,}", ""),
        (r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,})", ""),
        (r"\bxox[a-z]-[\w-]{10,}", ""),
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", ""),
        (r"\bAIza[\w-]{30,}", ""),
        (r"\beyJ[\w-]{8,2000}\.[\w-]{8,2000}\.[\w-]*", ""),
    )
)
"""What secrets look like, and what of a match is no secret. Each looks at a bounded number of
characters from where it starts, so that a log of any size is read in time that grows with it."""


def known() -> frozenset[str]:
    """The secrets that this process can read, each also as it looks in an address or a string."""
    plain = {s for value in _values() for line in value.splitlines() if (s := _worth(line))}
    return frozenset(form for s in plain for form in (s, quote(s, safe=""), json.dumps(s)[1:-1]))


def _values() -> Iterator[str]:
    for name, value in os.environ.items():
        if NAMES.search(name) and not name.startswith(OURS) and not _is_path(value):
            yield value
        yield from PASSWORD.findall(value)
    for path in _token_files():
        try:
            yield path.read_text("utf-8")
        except (OSError, ValueError):
            continue


def _token_files() -> list[Path]:
    """Where the hub's client keeps its tokens; the second holds lines such as `name = hf_...`."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = Path(os.environ.get("HF_HOME") or f"{cache}/huggingface").expanduser()
    return [Path(os.environ.get("HF_TOKEN_PATH") or home / "token")]


def _worth(value: str) -> str:
    value = value.strip()
    return value if len(value) >= LEAST and not NEVER.fullmatch(value) else ""


def _is_path(value: str) -> bool:
    return os.sep in value and os.path.exists(value)
