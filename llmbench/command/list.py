"""`llmbench list`: what is installed."""

from __future__ import annotations

import click

KINDS = ("strategies", "models", "tasks", "metrics", "launchers", "exporters", "plugins")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS))
def list_(kind: str) -> None:
    """List what is installed, with the package that each comes from."""
    from llmbench.listing import listing
    from llmbench.plugin import registry

    click.echo(listing(kind, registry()))
