"""`llmbench doctor`: what this machine can run, and why not."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from llmbench import errors

if TYPE_CHECKING:
    from llmbench.doctor.finding import Finding

COLOURS = {"ok": "green", "not here": "yellow", "problem": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def doctor(as_json: bool) -> None:
    """Say what this machine can run and why not, with the fix.

    A line is ok, not here (llmbench does without), or a problem. The exit status is 1 if there
    is a problem, 0 otherwise. Nothing is changed, and no token is shown.
    """
    from llmbench.doctor import examine

    findings = examine()
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps([asdict(f) for f in findings], indent=2))
    else:
        show(findings)
    broken = any(f.state == "problem" for f in findings)
    sys.exit(errors.SOME_FAILED if broken else errors.OK)


def show(findings: Sequence[Finding]) -> None:
    """Write the findings in columns, the fixes under what they put right."""
    checks = max(len(f.check) for f in findings)
    states = max(len(state) for state in COLOURS)
    indent = states + checks + 4
    width = max(40, shutil.get_terminal_size().columns - indent)
    for finding in findings:
        fix = _wrap(f"-> {finding.fix}", width) if finding.fix else []
        first, *rest = [*_wrap(finding.text, width), *fix]
        state = click.style(finding.state.ljust(states), COLOURS[finding.state])
        click.echo(f"{state}  {finding.check:<{checks}}  {first}")
        for line in rest:
            click.echo(" " * indent + line)


def _wrap(text: str, width: int) -> list[str]:
    # A name such as 4-bit stays whole, and so does a command to copy.
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
