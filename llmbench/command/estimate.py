"""`llmbench estimate`: what will fit, before anything is run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from llmbench import errors
from llmbench.command.options import ConfiguredCommand, plugin_files, strict_plugins

if TYPE_CHECKING:
    from rich.console import Console

    from llmbench.estimate.forecast import Forecast
    from llmbench.record.events import Event, Say

FIELDS = (
    *("strategies", "model", "weights", "revision", "trust_remote_code"),
    *("batch_size", "accumulation", "gpus", "seq_len", "precision"),
)
"""The options of `compare` that memory depends on."""


def gpus(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The GPUs that are known by name, for the shell to complete."""
    from llmbench.estimate.forecast import GPUS

    return [
        CompletionItem(name, help=gpu.nominal)
        for name, gpu in GPUS.items()
        if name.startswith(incomplete.lower())
    ]


@click.command(cls=ConfiguredCommand, fields=FIELDS)
@click.option(
    "--gpu",
    metavar="GPU",
    shell_complete=gpus,
    help="t4, a10g, l4, rtx-3090, rtx-4090, rtx-5090, a100-40gb, a100-80gb, h100, h200, b200, "
    "or so much memory: 24GiB.  [default: the one that is here, if any]",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file of options, over llmbench.toml.",
)
@click.option("--json", "as_json", is_flag=True, help="Every figure as JSON.")
@plugin_files
@strict_plugins
def estimate(gpu: str | None, config: Path | None, as_json: bool, **options: Any) -> None:
    """Predict the GPU memory that strategies will need, before anything is run.

    No GPU, no weights and, for an alias, no network: of the model, `config.json` is enough. The
    strategies' own code and the real training steps run on tensors that have a shape and no
    content, and every allocation is counted, so that a plugin's strategy is predicted like any
    other. What is predicted is the most that tensors hold while training, which `compare`
    measures as peak memory.

    \b
    Examples:
      llmbench estimate --model llama-2-7b --gpu rtx-4090
      llmbench estimate --model llama-3.1-8b --strategies lora,qlora+gradient-checkpointing \\
          --gpu 24GiB --batch-size 1 --seq-len 4096
      llmbench estimate --model ./my-model --json

    Sequences are taken to be full: shorter ones need less. Generation, which may need more than
    training, is not predicted. LLM.int8 (`8-bit`) keeps inputs with outliers twice, and how many
    there are is a matter of the values: none are assumed, as trained models have few; with
    --weights random, as many as random numbers have. Options can stand in llmbench.toml and in
    variables as for `compare`.

    \b
    Exit status:
      0    every composition is predicted, whether it fits or not
      1    some are not, for the reason that is shown
      2    a mistake in what was asked for
      4    none is
      130  interrupted
    """
    from rich.console import Console

    from llmbench.config.layers import layers
    from llmbench.estimate import run

    setup = run.set_up(layers(config, options), gpu)
    with progress(Console(stderr=True)) as listen:
        forecast = run.run(setup, listen)
    show(forecast, Console(highlight=False, markup=False), as_json)
    sys.exit(status(forecast))


@contextmanager
def progress(console: Console) -> Iterator[Say]:
    """On a terminal, a line that says how far it is; nothing elsewhere."""
    from llmbench.record.events import Estimated

    if not console.is_terminal:
        yield lambda event: None
        return
    with console.status("Loading torch") as line:

        def hear(event: Event) -> None:
            if isinstance(event, Estimated):
                line.update(f"Simulating training steps: {event.done} of {event.total}")

        yield hear


def show(forecast: Forecast, console: Console, as_json: bool) -> None:
    """Write the forecast."""
    from llmbench.output import estimate

    if as_json:
        click.echo(estimate.as_json(forecast))
    else:
        estimate.show(forecast, console)


def status(forecast: Forecast) -> int:
    """The exit status: whether everything could be predicted."""
    known = [r for r in forecast.rows if r.peak_bytes is not None]
    if not known:
        return errors.NOTHING_RAN
    return errors.OK if len(known) == len(forecast.rows) else errors.SOME_FAILED
