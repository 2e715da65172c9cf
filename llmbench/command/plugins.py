"""`llmbench plugins`: for those who write plugins."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from llmbench import errors

KINDS = ("strategy", "metric", "task", "model", "exporter", "probe", "listener")


@click.group()
def plugins() -> None:
    """Start a plugin of your own, and see whether it behaves.

    \b
    llmbench plugins new my-method --kind strategy
    pip install -e llmbench-my-method
    llmbench plugins check my-method
    """


@plugins.command()
@click.argument("name", metavar="NAME")
@click.option("--kind", required=True, type=click.Choice(KINDS), help="What it is to be.")
def new(name: str, kind: str) -> None:
    """Write a plugin as a distribution: the folder llmbench-NAME in the working directory.

    It works as it is: a module to put your own into, its entry point, a test and a README.
    """
    from llmbench.testing.new import create

    for path in create(name, kind, Path()):
        click.echo(path)


@plugins.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the comparisons that it runs are kept; by default nowhere.",
)
@click.option(
    "--model",
    default="llmbench-tiny",
    show_default=True,
    help="The model to try them on, as for 'llmbench compare'.",
)
def check(names: tuple[str, ...], output: Path | None, model: str) -> None:
    """Say whether plugins behave, and what to do where they do not.

    NAME is a plugin as 'llmbench list plugins' has it, or a module: mine.py. All that it registers
    is compared briefly. What cannot be tried here is said to be not checked, and why. The exit
    status is 1 if something is wrong.
    """
    from llmbench.testing import check as checked

    findings = checked(names, output, model)
    for finding in findings:
        click.echo(f"{finding.state:<11}  {finding.plugin}: {finding.about}")
        why = finding.problem or finding.unchecked
        if why:
            click.echo(f"{'':<13}{why}")
    sys.exit(errors.SOME_FAILED if any(f.problem for f in findings) else errors.OK)
