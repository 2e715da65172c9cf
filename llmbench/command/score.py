"""`llmbench score`: other metrics, computed from the predictions that a comparison kept."""

from __future__ import annotations

import sys

import click

from llmbench.command.options import plugin_files, strict_plugins
from llmbench.command.report import complain, opened


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path())
@click.option(
    "--metrics",
    required=True,
    metavar="METRICS",
    help="Metrics, with commas, the one that is to rank first.",
)
@click.option(
    "--trust-remote-code", is_flag=True, help="Run the code of a metric that comes from a hub."
)
@plugin_files
@strict_plugins
def score(directory: str, metrics: str, trust_remote_code: bool) -> None:
    """Score the predictions that the comparison in DIR kept, and write its report again.

    Nothing is trained or generated, so that it takes seconds. The first metric that has a direction
    ranks from then on; figures of metrics that are not named stay, behind the new ones. Metrics
    that look at the model, such as perplexity, have to be named in 'llmbench compare'.

    \b
    llmbench score DIR --metrics chrf
    llmbench score DIR --metrics 'rouge(tokenizer=character),bleu(tokenize=zh)'
    """
    from llmbench.run.rescore import rescore
    from llmbench.source.safety import Trust
    from llmbench.text import split_list

    store = opened(directory)
    written = rescore(
        store, split_list(metrics), Trust(trust_remote_code, False), lambda event: None
    )
    for path in written.paths:
        click.echo(store.called(path))
    sys.exit(complain(written))
