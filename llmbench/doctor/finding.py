"""What one look at the machine has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "not here", "problem"]
"""`not here` is no fault: the machine lacks it, and llmbench does without."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: what was looked at, how it is, and the way out where there is one.

    `fix` is a sentence's second half or a command; None where nothing needs to be done.
    """

    check: str
    state: State
    text: str
    fix: str | None = None


def ok(check: str, text: str) -> Finding:
    """It works."""
    return Finding(check, "ok", text)


def absent(check: str, text: str, fix: str | None = None) -> Finding:
    """It is not here, and need not be."""
    return Finding(check, "not here", text, fix)


def problem(check: str, text: str, fix: str) -> Finding:
    """It is broken."""
    return Finding(check, "problem", text, fix)
