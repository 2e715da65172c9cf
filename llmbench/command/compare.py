"""`llmbench compare`: the main job."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from llmbench import exit_status
from llmbench.option import ConfiguredCommand

if TYPE_CHECKING:
    from llmbench.setup import Setup


@click.command(cls=ConfiguredCommand)
@click.option("--dry-run", is_flag=True, help="Show the plan and every value, and run nothing.")
def compare(dry_run: bool, **options: Any) -> None:
    """Run strategies under one harness and write one HTML report.

    A strategy is an id (`lora`), with options in brackets (`lora(r=64,alpha=128)`), or several
    joined with + (`lora+flash-attention+gradient-checkpointing`). Defaults suit the model;
    --dry-run shows them all, and where each came from.
    """
    from llmbench.plugin import registry
    from llmbench.setup import set_up

    setup = set_up([("command line", options)], registry())
    if dry_run:
        from llmbench.preview import preview

        click.echo(preview(setup))
    else:
        run(setup)


def run(setup: Setup) -> None:
    """Run the comparison, show it, and exit with the status that says how it went."""
    from llmbench import compare as comparison
    from llmbench.console import Console
    from llmbench.outcome import Interrupted

    interrupted = False
    with Console() as console:
        try:
            store = comparison.run(setup, shlex.join(["llmbench", *sys.argv[1:]]), console)
        except Interrupted as stop:
            store, interrupted = stop.store, True
        statuses = console.finish(store)
    sys.exit(exit_status.INTERRUPTED if interrupted else exit_status.of(statuses))
