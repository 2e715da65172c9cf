"""A command: `llmbench best DIR` prints the method that a comparison picks, for a script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from llmbench import hookimpl
from llmbench.errors import UserError
from llmbench.plugin.command import Command

LLMBENCH_HOOKS = 1


@click.command("best")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
def best(directory: Path) -> None:
    """Print the method that the comparison in DIRECTORY picks."""
    from llmbench.analysis.judging import stand
    from llmbench.storage.store import Store
    from llmbench.wording.answer import answer

    pick = answer(stand(Store(directory).read())).pick
    if pick is None:
        raise UserError(f"'{directory}' picks no method: its report says why.")
    click.echo(pick.cell.composition)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Offer `best`."""
    register(Command("best", "the method that a comparison picks", best))
