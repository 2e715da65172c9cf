"""One thing that a plugin was checked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was looked at, and what is wrong with it, if anything is."""

    plugin: str
    about: str
    """What is checked, in words: `the strategy 'mine' saves what it trained`."""
    problem: str | None = None
    """What is wrong and the way out, as a sentence; None where nothing is."""
