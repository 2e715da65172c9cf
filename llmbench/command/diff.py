"""`llmbench diff`: what changed between two comparisons, for people and for CI."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from llmbench import errors

if TYPE_CHECKING:
    from llmbench.analysis.diff.compare import Diff
    from llmbench.analysis.diff.rule import Outcome


@click.command()
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@click.option(
    "--fail-if",
    "bounds",
    multiple=True,
    metavar="BOUND",
    help="Exit with status 1 on such a change: peak_memory>+5%, speed<-3%, rougeL<-0.02, "
    "peak_memory>+512MiB. Can be given several times.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "markdown", "json")),
    default="text",
    help="How to write it.  [default: text]",
)
def diff(old: str, new: str, bounds: tuple[str, ...], form: str) -> None:
    """Hold the comparison in NEW against the one in OLD, cell by cell.

    A cell is the same composition, model, task and seed. What else differs between the two is
    said first.

    A bound is a figure (a column of results.csv, or peak_memory, speed, generation_speed,
    trainable, artifact), < or >, and the change with its sign: in percent of the old value, in
    KiB, MiB or GiB, or in the figure's own unit. Quote it, for the shell.

    A change counts only if it is more than chance. Scores are paired example by example, and
    training speeds step by step, corrected for the number of cells; with one seed that is of these
    very trainings, whose luck may differ as well. Generation speeds must have
    95 % intervals that do not overlap; parameters and sizes on disk are exact, and any change of
    them counts, as one of GPU memory does from 0.05 % on. Of host memory, phase times and losses
    one run does not tell the spread: there the bound alone decides, so leave room in it.

    \b
    Exit status, which is 0 without --fail-if:
      0  no bound is broken
      1  a bound is broken, or a cell that was well no longer is
      2  a bound, or a directory, that cannot be read
      4  nothing to judge: no cell in both, or a bound that could be judged nowhere
    """
    from llmbench.analysis.diff import compare, rule
    from llmbench.command.report import opened, read

    result = compare.diff(read(opened(old)), read(opened(new)))
    rules = [rule.read(b, rule.known_figures(result)) for b in bounds]
    outcomes = rule.judge(rules, result)
    click.echo(write(result, outcomes, form), nl=False)
    sys.exit(status(result, outcomes))


def write(result: Diff, outcomes: list[Outcome], form: str) -> str:
    """The diff in that format."""
    from llmbench.output.diff import as_json, as_markdown, as_text

    return {"text": as_text, "markdown": as_markdown, "json": as_json}[form](result, outcomes)


def status(result: Diff, outcomes: list[Outcome]) -> int:
    """The exit status: a broken bound counts for more than one that could not be judged."""
    if not outcomes:
        return errors.OK
    if any(o.broken_by for o in outcomes) or any(c.broken for c in result.cells):
        return errors.SOME_FAILED
    apart = not result.cells and result.missing
    blind = any(o.blind for o in outcomes)
    return errors.NOTHING_RAN if apart or blind else errors.OK
