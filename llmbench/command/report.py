"""`llmbench report`: render a comparison again, or several as one, in any format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from llmbench import errors
from llmbench.command.options import strict_plugins
from llmbench.errors import ConfigError

if TYPE_CHECKING:
    from llmbench.plugin.exporter import Exporter
    from llmbench.record.comparison import Comparison
    from llmbench.storage.export import Written


PATH = click.Path(path_type=Path)


def formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The formats that are installed, for the shell to complete."""
    from llmbench import plugin

    exporters = plugin.registry().exporters.items().values()
    return [CompletionItem(e.id, help=e.summary) for e in exporters if e.id.startswith(incomplete)]


@click.command()
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=PATH)
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
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
@strict_plugins
def report(
    directories: tuple[Path, ...], form: str | None, output: str | None, opened: bool
) -> None:
    """Render the comparison in DIR from its records.

    Without options, all its files in DIR are written again. Several directories are merged into
    one comparison, which says what differs between them, and does not touch the directories.

    \b
    llmbench report DIR                               report.html, results.csv, results.json
    llmbench report DIR --format markdown             a table for a pull request
    llmbench report DIR --format latex                a table for a paper
    llmbench report A B C --output merged.html        several comparisons in one report
    llmbench report DIR --open                        and a look at the page

    With --format, text goes to standard output unless --output names a file; html goes to
    report.html, in DIR or for several in the current directory.
    """
    from llmbench.analysis.merge import merge
    from llmbench.storage.export import chosen, export

    directories = tuple({d.resolve(): d for d in directories}.values())
    comparison = merge([read(d) for d in directories])
    if len(directories) > 1:
        for notice in comparison.header.notices:
            click.echo(f"Note: {notice}", err=True)
    if len(directories) == 1 and not form and not output:
        written = export(comparison, directories[0])
        for path in written.paths:
            click.echo(path)
        if opened:
            click.launch(str(directories[0] / "report.html"))
        sys.exit(complain(written))
    else:
        write(comparison, chosen(form, output), output, directories)


def complain(written: Written) -> int:
    """Say which files a plugin could not render; the exit status that follows from it."""
    for problem in written.problems:
        click.echo(f"llmbench: {problem}", err=True)
    return errors.SOME_FAILED if written.problems else errors.OK


def read(directory: Path) -> Comparison:
    """The comparison in a directory; what cannot be read of it is said."""
    from llmbench.storage.store import Store

    comparison = Store(directory).read()
    for problem in comparison.problems:
        click.echo(f"Left out: {problem}", err=True)
    return comparison


def write(
    comparison: Comparison, exporter: Exporter, output: str | None, directories: tuple[Path, ...]
) -> None:
    """Render one format to where it belongs."""
    from llmbench.storage.export import put, rendered

    where = directories[0] if len(directories) == 1 else Path()
    content = rendered(exporter, comparison, where)
    if output == "-" or (not output and exporter.printed):
        if not isinstance(content, str | bytes):
            raise ConfigError(
                f"'{exporter.id}' writes a folder, which standard output cannot take: "
                "name one with --output."
            )
        click.echo(content, nl=False)
        return
    path = Path(output) if output else where / exporter.filename
    put(path, content)
    click.echo(path)
