"""A command: a word after `llmbench`."""

from __future__ import annotations

from dataclasses import dataclass

import click

RESERVED = frozenset(
    {"compare", "estimate", "report", "score", "diff", "list", "doctor", "plugins", "help"}
)
"""Words that are llmbench's own commands, or may become one."""


@dataclass(frozen=True)
class Command:
    """A command of the command line, written with click."""

    id: str
    """The word after `llmbench`."""
    summary: str
    """One line for `llmbench list commands`."""
    command: click.Command
    """What it runs. `--help`, options and arguments are click's; the id is its name. A UserError
    that it raises is shown as its sentence, with exit status 2."""
