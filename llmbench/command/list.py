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
@click.argument("folder", metavar="[DIR]", required=False)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON, with every detail.")
@plugin_files
@strict_plugins
def list_(kind: str, folder: str | None, as_json: bool) -> None:
    """List what is installed, with the package that each comes from, or what was compared.

    KIND is strategies, models, tasks, metrics, probes, launchers, exporters, listeners, sections,
    commands, plugins, or runs: the comparisons below DIR, the newest first. DIR is reports/ unless
    given, and may be a URL such as s3://bucket/folder.

    --json tells more: of strategies, for instance, the options with type, default and
    description, the group that each decides, and what it stands on alone.
    """

    from llmbench.output import listing

    if folder and kind != "runs":
        raise click.UsageError("Only 'llmbench list runs' takes a directory.")
    folder = folder or listing.REPORTS
    if as_json:
        import json

        click.echo(json.dumps(listing.items(kind, folder), indent=2, default=str))
    else:
        click.echo(listing.listing(kind, folder))
