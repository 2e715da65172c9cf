"""The live display: the running cell and the whole comparison, under the lines of what is done."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from llmbench.output.terminal.lines import Lines
from llmbench.record.comparison import Plan
from llmbench.record.record import Cell
from llmbench.text import clock

REFRESHES_PER_SECOND = 8
WIDEST_BAR = 40
ENDS = "  interrupted, ends (Ctrl-C again ends it at once)"


class LiveView(Lines):
    """Lines that change in place, and a line above them for every cell that has ended."""

    def __init__(self, out: Console) -> None:
        super().__init__(out)
        utf8 = out.encoding.startswith("utf")
        self.spinner = Spinner("dots" if utf8 else "line", style="cyan")
        self.began = time.monotonic()
        self.started = False
        self.live = Live(
            get_renderable=self.draw,
            console=out,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> LiveView:
        self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()

    def start(self, plan: Plan, root: Path) -> None:
        """Say what will run and where it lands."""
        super().start(plan, root)
        self.started = True

    def cell(self, cell: Cell) -> None:
        """Show the cell; its line comes when it has ended."""
        self.progress.cell(cell)

    def draw(self) -> RenderableType:
        """What the terminal shows now; called from the display's own thread."""
        cell = self.progress.running
        if cell is None:
            doing = "Writing the report" if self.started else "Reading model and data"
            doing = "Predicting memory" if self.progress.predicting else doing
            return _row(self.spinner, Text(doing + (ENDS if self.progress.interrupted else "")))
        bars = Table.grid(padding=(0, 2, 0, 0))
        for bar, note in zip(self._bars(), (self._cell_note(), self._whole_note()), strict=True):
            bars.add_row("", bar, Text(note, no_wrap=True, overflow="ellipsis"))
        return Group(_row(self.spinner, self._head(cell)), bars)

    def _head(self, cell: Cell) -> Text:
        progress = self.progress
        count = f" {progress.count[0]}/{progress.count[1]}" if progress.count else ""
        head = Text(
            cell.name + progress.seed(cell), style="bold", no_wrap=True, overflow="ellipsis"
        )
        if progress.interrupted:
            return head.append(ENDS, "not bold red")
        return head.append(f"  {progress.phase}{count}  {progress.figures}", style="not bold")

    def _bars(self) -> tuple[ProgressBar, ProgressBar]:
        progress = self.progress
        width = min(WIDEST_BAR, self.out.width // 2)
        known = progress.count is not None
        cell = ProgressBar(1.0 if known else None, progress.share(), width, pulse=not known)
        return cell, ProgressBar(
            max(1, progress.total), progress.done + progress.pace.share_of_cell(), width
        )

    def _cell_note(self) -> str:
        return _joined(
            "this cell", clock(self.progress.pace.spent()), self.progress.pace.cell_left()
        )

    def _whole_note(self) -> str:
        done = f"{self.progress.done} of {self.progress.total} done"
        return _joined(done, clock(time.monotonic() - self.began), self.progress.pace.left())


def _row(spinner: Spinner, text: Text) -> Table:
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_row(spinner, text)
    return row


def _joined(head: str, spent: str, left: float | None) -> str:
    return f"{head}  {spent}" + ("" if left is None else f"  {clock(left)} left")
