"""The command line: `compare`, `report` and `list`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from llmbench import __version__
from llmbench.errors import UserError
from llmbench.option import ConfiguredCommand

EXIT_SOME_FAILED, EXIT_USAGE, EXIT_NOTHING_RAN, EXIT_INTERRUPTED = 1, 2, 4, 130
KINDS = ("strategies", "models", "tasks", "metrics", "launchers", "exporters", "plugins")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="llmbench")
def cli() -> None:
    """Compare ways of fine-tuning a language model on your model, your data and your GPU.

    \b
    llmbench compare                                  the shipped model and data, on a CPU
    llmbench compare --strategies lora,qlora --model llama-2-7b
    llmbench compare --data train.jsonl --eval-data test.jsonl --model ./my-model
    llmbench list strategies
    """


@cli.command(cls=ConfiguredCommand)
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
        return
    _run(setup)


def _run(setup: Any) -> None:
    from llmbench import compare as comparison
    from llmbench.console import Console
    from llmbench.outcome import Interrupted

    interrupted = False
    with Console() as console:
        try:
            store = comparison.run(setup, _command(), console)
        except Interrupted as stop:
            store, interrupted = stop.store, True
        statuses = console.finish(store)
    if interrupted:
        sys.exit(EXIT_INTERRUPTED)
    ran = [s for s in statuses if s != "skipped"]
    if not ran:
        sys.exit(EXIT_NOTHING_RAN)
    if any(s != "ok" for s in ran):
        sys.exit(EXIT_SOME_FAILED)


@cli.command()
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


@cli.command("list")
@click.argument("kind", type=click.Choice(KINDS))
def list_(kind: str) -> None:
    """List what is installed, with the package that each comes from."""
    from llmbench.listing import listing
    from llmbench.plugin import registry

    click.echo(listing(kind, registry()))


def _command() -> str:
    return shlex.join(["llmbench", *sys.argv[1:]])


def main() -> None:
    """Run the command line; a user's error is one sentence and exit status 2."""
    try:
        cli(standalone_mode=True)
    except UserError as error:
        click.echo(f"llmbench: {error}", err=True)
        sys.exit(EXIT_USAGE)
    except KeyboardInterrupt:
        click.echo("llmbench: interrupted.", err=True)
        sys.exit(EXIT_INTERRUPTED)
