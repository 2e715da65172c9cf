"""`llmbench plugins`: for those who write plugins."""

from __future__ import annotations

from pathlib import Path

import click

KINDS = ("strategy", "metric", "task", "model", "exporter", "probe")


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
