"""The command line: its commands, and the one place that turns errors into sentences."""

from __future__ import annotations

import os
import sys
import traceback
from copy import copy
from importlib.metadata import entry_points
from typing import Any

import click

from llmbench import __version__, errors
from llmbench.command.compare import compare
from llmbench.command.diff import diff
from llmbench.command.doctor import doctor
from llmbench.command.estimate import estimate
from llmbench.command.list import list_
from llmbench.command.plugins import plugins
from llmbench.command.report import report
from llmbench.command.score import score
from llmbench.errors import UserError

EPILOG = """
\b
Exit status:
  0    all went well
  1    some cells failed, a plugin could not write its file, a bound of diff is broken,
       or the doctor found a problem
  2    a mistake in what was asked for, a directory or a GPU that cannot be had, or a
       broken plugin with --strict-plugins
  3    an internal error
  4    nothing ran, or nothing could be judged
  130  interrupted; what was measured is kept

\b
The shell completes options, strategies and models after
  eval "$(_LLMBENCH_COMPLETE=bash_source llmbench)"            in ~/.bashrc
  eval "$(_LLMBENCH_COMPLETE=zsh_source llmbench)"             in ~/.zshrc
  _LLMBENCH_COMPLETE=fish_source llmbench | source             in config.fish
"""


class Interruptible(click.Group):
    """Ends at Ctrl-C with a status of its own, where click has that of a failure."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("llmbench: interrupted.", err=True)
            sys.exit(errors.INTERRUPTED)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """One of llmbench's own, or else one of a plugin's."""
        return super().get_command(ctx, name) or of_plugins().get(name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Llmbench's own, and then the plugins'."""
        return [*super().list_commands(ctx), *sorted(of_plugins())]


def of_plugins() -> dict[str, click.Command]:
    """The commands that plugins bring, by their words; one that two claim is nobody's.

    The plugins that ship with llmbench bring none: where there are no others, none is imported.
    """
    points = entry_points(group="llmbench")
    if all(p.dist and p.dist.name == "llmbench" for p in points):
        return {}
    from llmbench import plugin

    commands = plugin.registry().commands
    return {n: named(n, c.command) for n, c in commands.items().items() if n not in commands.taken}


def named(name: str, command: click.Command) -> click.Command:
    """The command, which names its plugin where it fails."""
    from llmbench.plugin.blame import failure

    guarded, invoke = copy(command), command.invoke

    def run(ctx: click.Context) -> Any:
        try:
            return invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, UserError):
            raise
        except Exception as error:
            raise failure("command", name, "running", error) from error

    guarded.invoke = run  # type: ignore[method-assign]
    return guarded


@click.group(
    cls=Interruptible,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.version_option(__version__, prog_name="llmbench")
def cli() -> None:
    """Compare ways of fine-tuning a language model on your model, your data and your GPU.

    \b
    llmbench compare                                  the shipped model and data, on a CPU
    llmbench compare --strategies lora,qlora --model llama-2-7b
    llmbench compare --data train.jsonl --eval-data test.jsonl --model ./my-model
    llmbench estimate --model llama-2-7b --gpu rtx-4090     what fits, before anything is run
    llmbench list strategies
    llmbench doctor                                   what this machine can run, and why not
    """


for command in (compare, estimate, report, score, diff, list_, doctor, plugins):
    cli.add_command(command)


def redacted(text: str) -> str:
    """The text without secrets: what a terminal shows is copied into bug reports."""
    from llmbench import redact

    return redact.secrets(text)


def open_streams() -> None:
    """Open what is closed of standard input, output and error: a file would take its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def main() -> None:
    """Run the command line; a user's error is one sentence and exit status 2."""
    errors.heed_ctrl_c()
    open_streams()
    try:
        cli()
    except UserError as error:
        click.echo(f"llmbench: {redacted(str(error))}", err=True)
        sys.exit(errors.USAGE)
    except Exception:
        click.echo(redacted(traceback.format_exc()), err=True, nl=False)
        click.echo("llmbench: this is a bug, please report it with the lines above.", err=True)
        sys.exit(errors.INTERNAL)
