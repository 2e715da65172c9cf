"""`llmbench list`: what is installed, and what was compared."""

from __future__ import annotations

import click

from llmbench.command.options import plugin_files, strict_plugins

KINDS = (
    "strategies",
    "models",
    "tasks",
    "metrics",
    "probes",
    "launchers",
    "exporters",
    "listeners",
    "sections",
    "commands",
    "plugins",
    "runs",
)


@click.command("list")
@click.argument("kind", metavar="KIND", type=click.Choice(KINDS))
@click.option("--json", "as_json", is_flag=True, help="The same as JSON, with every detail.")
@plugin_files
@strict_plugins
def list_(kind: str, as_json: bool) -> None:
    """List what is installed, with the package that each comes from, or what was compared.

    KIND is strategies, models, tasks, metrics, probes, launchers, exporters, listeners, sections,
    commands, plugins, or runs: the comparisons in reports/ below the working directory, the newest
    first.

    --json tells more: of strategies, for instance, the options with type, default and
    description, the group that each decides, and what it stands on alone.
    """

    if as_json:
        import json

        from llmbench.output.listing import items

        click.echo(json.dumps(items(kind), indent=2, default=str))
    else:
        from llmbench.output.listing import listing

        click.echo(listing(kind))
