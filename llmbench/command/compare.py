"""`llmbench compare`: the main job."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmbench import errors
from llmbench.command.options import ConfiguredCommand, plugin_files, strict_plugins

if TYPE_CHECKING:
    from llmbench.config.setup import Setup
    from llmbench.output.terminal.views import Mode


@click.command(cls=ConfiguredCommand)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file of options, over llmbench.toml.",
)
@click.option("--dry-run", is_flag=True, help="Show plan, data and every value, and run nothing.")
@click.option("--show-config", is_flag=True, help="Show every value and where it came from.")
@click.option("--quiet", "-q", is_flag=True, help="Only the report's path, and failures.")
@click.option("--verbose", "-v", is_flag=True, help="A plain line for each phase of each cell.")
@click.option("--jsonl", is_flag=True, help="Every event as a line of JSON, for machines.")
@plugin_files
@strict_plugins
def compare(
    config: Path | None,
    dry_run: bool,
    show_config: bool,
    quiet: bool,
    verbose: bool,
    jsonl: bool,
    **options: Any,
) -> None:
    """Run strategies under one harness and write one HTML report.

    A strategy is an id (`lora`), with options in brackets (`lora(r=64,alpha=128)`), or several
    joined with + (`lora+flash-attention+gradient-checkpointing`).

    \b
    Examples:
      llmbench compare                               the shipped model and data, on a CPU
      llmbench compare --strategies lora,qlora --model llama-2-7b
      llmbench compare --strategies 'lora(r=8),lora(r=64)' --model ./my-model \\
          --data train.jsonl --eval-data test.jsonl
      llmbench compare --model llama-2-7b --weights random     no download
      llmbench compare --output reports/mine         again: measures only what is missing
      llmbench compare --dry-run                     the plan, the data, and every value

    Every option can stand in llmbench.toml in the working directory (`seq-len = 512`), in the
    file of --config, or in a variable (LLMBENCH_SEQ_LEN=512); each lies over the one before, and
    the command line over all. What lets others' code run can be given on the command line only:
    --trust-remote-code, --allow-pickles, and a metric that is a script. A model may have defaults
    of its own, and the shipped one does: --show-config tells where each value came from.
    """
    from llmbench import plugin
    from llmbench.config.layers import layers
    from llmbench.config.setup import set_up

    how = mode(quiet, verbose, jsonl)
    setup = set_up(layers(config, options))
    if dry_run or show_config:
        from llmbench import redact
        from llmbench.output.terminal.preview import configuration, preview
        from llmbench.run import inputs

        shown = preview(setup, inputs.read(setup)) if dry_run else configuration(setup)
        click.echo(redact.secrets(shown))
    else:
        for complaint in plugin.registry().complaints():
            click.echo(f"llmbench: {complaint}", err=True)
        run(setup, how)


def mode(quiet: bool, verbose: bool, jsonl: bool) -> Mode:
    """What the flags ask for; a mistake where they ask for two things."""
    names: dict[Mode, bool] = {"quiet": quiet, "verbose": verbose, "jsonl": jsonl}
    asked = [name for name, given in names.items() if given]
    if len(asked) > 1:
        raise click.UsageError(f"--{asked[0]} and --{asked[1]} exclude each other: give one.")
    return asked[0] if asked else "normal"


def run(setup: Setup, how: Mode) -> None:
    """Run the comparison, show it, and exit with the status that says how it went."""
    from llmbench.command.report import complain
    from llmbench.output.terminal.views import view
    from llmbench.run import comparison
    from llmbench.run.cell import CUT_OFF

    with view(how) as shown:
        finished = comparison.run(setup, shlex.join(["llmbench", *sys.argv[1:]]), shown)
    reported = [r.status for r in finished.comparison.reported.planned if r.reason != CUT_OFF]
    status = errors.INTERRUPTED if finished.interrupted else errors.exit_status(reported)
    pages = (path for path in finished.written.paths if path.suffix == ".html")
    shown.finish(finished.comparison, next(pages, finished.directory), status)
    incomplete = complain(finished.written)
    sys.exit(status or incomplete)
