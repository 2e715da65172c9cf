"""`llmbench report`: render a comparison again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
def report(directory: Path) -> None:
    """Render the report and the tables of DIRECTORY again, from its records."""
    from llmbench.export import export
    from llmbench.store import Store

    comparison = Store(directory).read()
    for problem in comparison.problems:
        click.echo(f"Left out: {problem}", err=True)
    for path in export(comparison, directory):
        click.echo(path)
