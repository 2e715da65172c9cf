"""Plain lines: what a log keeps, and what a person reads above the live display."""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from llmbench.analysis.tuning import tuned_loss
from llmbench.errors import INTERRUPTED
from llmbench.output.terminal.preview import REPEAT
from llmbench.output.terminal.progress import STARTING, Progress
from llmbench.output.terminal.tables import fit_tables, style, table
from llmbench.record.comparison import Comparison, Plan
from llmbench.record.events import Event, PhaseBegun, Sentence
from llmbench.record.figure import BY_ID, ranking
from llmbench.record.record import Cell, Record
from llmbench.text import plural
from llmbench.units import clock
from llmbench.wording.cautions import MOST_WARNINGS, cautions
from llmbench.wording.figures import figure_text

if TYPE_CHECKING:
    from llmbench.output.brief import Brief

PLAIN = str.maketrans({"`": None, "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "…": "..."})


def plain(text: str) -> str:
    """The text without backticks, and with signs of ASCII for those that are none."""
    return text.translate(PLAIN)


WIDTHS = {"peak_memory_bytes": 8, "train_tokens_per_second": 12}
"""Characters of each figure in the line of a cell: with the name, it fits 80 columns."""
QUALITY_WIDTH = 13
"""Those of the score that stands for quality, with its label."""


class Lines:
    """A line when a cell starts and one when it has ended; if verbose, one for each phase."""

    def __init__(self, out: Console, verbose: bool = False) -> None:
        self.out = out
        self.verbose = verbose
        self.progress = Progress()

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held open."""

    def start(self, plan: Plan, root: Path) -> None:
        """Say what will run and where it lands."""
        self.progress.start(plan)
        self.say(f"{plural(self.progress.total, 'run')}, into {root}")
        tries = sum(p.cell.tuning for p in plan.cells) + plan.to_come
        if tries:
            self.say(
                f"{tries} of them, or more, find each method's learning rate: they train and are "
                "not evaluated (--no-tune leaves them out)."
            )
        if plan.repeats:
            self.say(f"{REPEAT}.")

    def replan(self, plan: Plan) -> None:
        """Count what has come to it."""
        self.progress.replan(plan)

    def cell(self, cell: Cell) -> None:
        """Say which cell runs."""
        self.progress.cell(cell)
        name = f"{cell.name}{self.progress.seed(cell)}"
        self.say(f"{self._number()} {name} ...")

    def event(self, event: Event, cell: Cell | None = None) -> None:
        """If verbose, a line for the phase that has ended; and what there is to wait for."""
        match event:
            case PhaseBegun():
                self._phase_ended(cell)
            case Sentence():
                self.notice(event.reason)
        self.progress.event(event, cell)

    def record(self, record: Record, kept: bool) -> None:
        """A line with the cell's figures."""
        if not kept:
            self._phase_ended(record.cell)
        taken = self.progress.record(record, kept)
        line = Text(f"{self.progress.number(self.progress.done)} ")
        line.append(ended(record, taken, self.progress), style(record.status))
        if kept and record.status != "ok":
            line.append("  kept")
        self.say(line)

    def finish(self, comparison: Comparison, report: Path, status: int) -> None:
        """The table, the answer, where the logs of what failed are, and where the report is."""
        self.out.print()
        # Here, since statistics take a while to import, and most of a session has no use for them.
        from llmbench.output.brief import brief

        summary = brief(comparison)
        if summary.lines:
            self.out.print(table(summary, self.out.width))
            self.out.print()
        for made in fit_tables(comparison.fitted.records, self.out.width):
            self.out.print(made)
            self.out.print()
        if summary.lines:
            self._answer(summary)
        self._warn([*summary.warnings, *cautions(comparison.fitted.records)])
        reported = comparison.reported.planned
        bad = sum(r.status not in ("ok", "skipped", "interrupted") for r in reported)
        if bad:
            self.say(f"{plural(bad, 'run')} did not end well: see {report.parent / 'logs'}")
        if self.progress.kept:
            self.say(again(self.progress.kept))
        self.say(Text(f"Report: {report}", style="bold"))
        if status == INTERRUPTED:
            self.say(to_continue(comparison, report.parent))

    def notice(self, sentence: str) -> None:
        """Something to know at once."""
        self.say(sentence)

    def _answer(self, summary: Brief) -> None:
        """What to pick and why, in lines of the terminal's width."""
        headline, *why = summary.answer
        self.out.print(Text(plain(headline), "bold"))
        for sentence in why[:1]:
            self.out.print(Text(plain(sentence)))
        for sentence in why[1:]:
            lines = textwrap.wrap(plain(sentence), self.out.width - 2, break_on_hyphens=False)
            self.out.print(Text("- " + "\n  ".join(lines)))
        self.out.print()

    def _warn(self, warnings: Sequence[str]) -> None:
        """The gravest warnings, the same as on the page's first screen."""
        for warning in warnings[:MOST_WARNINGS]:
            self.out.print(Text(plain(f"Warning: {warning}"), "yellow"))
        if warnings[MOST_WARNINGS:]:
            self.say(f"{len(warnings) - MOST_WARNINGS} more warnings are in the report.")

    def say(self, text: str | Text) -> None:
        """Print a line; a long one is left to the terminal to break."""
        self.out.print(text, soft_wrap=True)

    def _number(self) -> str:
        """That of the cell that began last."""
        running = len(self.progress.pace.running)
        return self.progress.number(self.progress.done + max(1, running))

    def _phase_ended(self, cell: Cell | None) -> None:
        one = self.progress.pace.latest(cell)
        if not self.verbose or one is None or one.phase == STARTING:
            return
        count = f"{one.count[0]}/{one.count[1]}" if one.count else ""
        columns = one.cell.name, one.phase, count, one.figures
        line = "  ".join(c for c in columns if c)
        spent = self.progress.pace.phase_spent(one)
        taken = f"{spent:.1f} s" if spent < 10 else clock(spent)
        self.say(f"{self._number()} {line}  {taken}")


class Quiet(Lines):
    """The report's path on standard output, failures on standard error, and nothing else."""

    def __init__(self, out: Console, err: Console) -> None:
        super().__init__(out)
        self.err = err

    def start(self, plan: Plan, root: Path) -> None:
        """Say nothing."""
        self.progress.start(plan)
        self.progress.longest = 0  # alone, a line has no columns to stand in

    def cell(self, cell: Cell) -> None:
        """Say nothing."""
        self.progress.cell(cell)

    def record(self, record: Record, kept: bool) -> None:
        """A line for a cell that did not end well."""
        self.progress.record(record, kept)
        if record.status not in ("ok", "skipped"):
            self.err.print(ended(record, None, self.progress), soft_wrap=True)

    def notice(self, sentence: str) -> None:
        """On standard error: the path stays alone on standard output."""
        self.err.print(sentence, soft_wrap=True)

    def finish(self, comparison: Comparison, report: Path, status: int) -> None:
        """The path alone, for `$(...)` to take."""
        self.say(str(report))


def ended(record: Record, seconds: float | None, progress: Progress) -> str:
    """A cell's end in one line; None for the seconds of one that was measured before."""
    seed = progress.seed(record.cell)
    name = record.cell.name.ljust(progress.longest) + seed
    if record.cell.tuning and record.status in ("ok", "diverged"):
        return f"{name}  {tried(record)}"
    if record.status != "ok":
        where = f" in {record.phase}" if record.phase else ""
        return f"{name}  {record.status}{where}: {record.reason}"
    figures = [_quality(record, not seed)] if record.cell.eval_data.examples else []
    figures += [figure_text(BY_ID[name], record).rjust(width) for name, width in WIDTHS.items()]
    time = "kept" if seconds is None else clock(seconds)
    return "  ".join([name, *figures, time])


def tried(record: Record) -> str:
    """What came of a learning rate: `validation loss 1.832`."""
    loss = tuned_loss(record)
    return "diverged" if loss is None else f"validation loss {loss:.3f}"


def again(kept: Counter[str]) -> str:
    """`Kept from an earlier run: 3 failed, 1 oom. --retry failed,oom runs them again.`"""
    ends = ", ".join(f"{count} {status}" for status, count in kept.items())
    them = "it" if kept.total() == 1 else "them"
    return f"Kept from an earlier run: {ends}. --retry {','.join(kept)} runs {them} again."


def to_continue(comparison: Comparison, root: Path) -> str:
    """`Stopped after 1 of 3. Continue: llmbench compare ...`, after an interruption."""
    ended = sum(r.status != "interrupted" for r in comparison.planned)
    plan, command = comparison.header.plan, comparison.header.command
    if "--output" not in command and not comparison.header.configuration.get("output"):
        command += f" --output {shlex.quote(str(root))}"
    return f"Stopped after {ended} of {len(plan.cells) + plan.to_come}. Continue: {command}"


def _quality(record: Record, named: bool) -> str:
    """The score, with its label where the line has room for one."""
    score = ranking([record])
    text = figure_text(score, record) if score else ""
    return f"{score.label} {text}".rjust(QUALITY_WIDTH) if score and named else text.rjust(5)
