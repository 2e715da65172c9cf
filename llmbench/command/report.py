"""`llmbench report`: render a comparison again, or several as one, in any format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from llmbench import errors
from llmbench.command.options import plugin_files, strict_plugins
from llmbench.errors import ConfigError

if TYPE_CHECKING:
    from llmbench.plugin.exporter import Exporter
    from llmbench.record.comparison import Comparison
    from llmbench.storage.export import Written
    from llmbench.storage.store import Store


def formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The formats that are installed, for the shell to complete."""
    from llmbench import plugin

    exporters = plugin.registry().exporters.items().values()
    return [CompletionItem(e.id, help=e.summary) for e in exporters if e.id.startswith(incomplete)]


@click.command()
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--format",
    "form",
    shell_complete=formats,
    metavar="FORMAT",
    help="html, markdown, csv, json, latex, or another that 'llmbench list exporters' shows.",
)
@click.option(
    "--output",
    type=click.Path(allow_dash=True),
    metavar="FILE",
    help="Write to this file, or to standard output for -; its suffix stands in for --format.",
)
@click.option("--open", "look", is_flag=True, help="Open the page in the browser.")
@plugin_files
@strict_plugins
def report(directories: tuple[str, ...], form: str | None, output: str | None, look: bool) -> None:
    """Render the comparison in DIR from its records.

    Without options, all its files in DIR are written again. Several directories are merged into
    one comparison, which says what differs between them, and does not touch the directories.

    \b
    llmbench report DIR                               report.html, results.csv, results.json
    llmbench report DIR --format markdown             a table for a pull request
    llmbench report DIR --format latex                a table for a paper
    llmbench report A B C --output merged.html        several comparisons in one report
    llmbench report DIR --open                        and a look at the page
    llmbench report DIR --plugin mine.py --format mine    in a format of your own

    With --format, text goes to standard output unless --output names a file; html goes to
    report.html, in DIR or for several in the current directory.
    """
    from llmbench.analysis.merge import merge
    from llmbench.storage.export import chosen, export

    stores = list({s.root.resolve(): s for s in map(opened, dict.fromkeys(directories))}.values())
    comparison = merge([read(s) for s in stores])
    if len(stores) > 1:
        for notice in comparison.header.notices:
            click.echo(f"Note: {notice}", err=True)
    if len(stores) == 1 and not form and not output:
        written = export(comparison, stores[0].root)
        stores[0].send(*written.paths)
        for path in written.paths:
            click.echo(stores[0].called(path))
        if look:
            stores[0].keep()
            click.launch(str(stores[0].root / "report.html"))
        sys.exit(complain(written))
    else:
        write(comparison, chosen(form, output), output, stores)


def complain(written: Written) -> int:
    """Say which files a plugin could not render; the exit status that follows from it."""
    for problem in written.problems:
        click.echo(f"llmbench: {problem}", err=True)
    return errors.SOME_FAILED if written.problems else errors.OK


def opened(directory: str) -> Store:
    """The comparison's directory, fetched where it is elsewhere."""
    from llmbench.storage.store import Store

    return Store.fetched(directory)


def read(store: Store) -> Comparison:
    """The comparison in a directory; what cannot be read of it is said."""
    comparison = store.read()
    for problem in comparison.problems:
        click.echo(f"Left out: {problem}", err=True)
    return comparison


def write(
    comparison: Comparison, exporter: Exporter, output: str | None, stores: list[Store]
) -> None:
    """Render one format to where it belongs."""
    from llmbench.storage.export import put, rendered
    from llmbench.storage.place import is_url

    where = stores[0].root if len(stores) == 1 else Path()
    content = rendered(exporter, comparison, where)
    if output == "-" or (not output and exporter.printed):
        if not isinstance(content, str | bytes):
            raise ConfigError(
                f"'{exporter.id}' writes a folder, which standard output cannot take: "
                "name one with --output."
            )
        click.echo(content, nl=False)
        return
    if output and is_url(output):
        raise ConfigError("--output of a report is a file of this machine: name one.")
    path = Path(output) if output else where / exporter.filename
    put(path, content)
    if output or len(stores) > 1:
        click.echo(path)
    else:
        stores[0].send(path)
        click.echo(stores[0].called(path))
