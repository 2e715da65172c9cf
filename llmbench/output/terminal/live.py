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
        self.state.cell(cell)

    def draw(self) -> RenderableType:
        """What the terminal shows now; called from the display's own thread."""
        cell = self.state.running
        if cell is None:
            doing = "Writing the report" if self.started else "Reading model and data"
            doing = "Predicting memory" if self.state.predicting else doing
            return _row(self.spinner, Text(doing + (ENDS if self.state.interrupted else "")))
        bars = Table.grid(padding=(0, 2, 0, 0))
        for bar, note in zip(self._bars(), (self._cell_note(), self._whole_note()), strict=True):
            bars.add_row("", bar, Text(note, no_wrap=True, overflow="ellipsis"))
        return Group(_row(self.spinner, self._head(cell)), bars)

    def _head(self, cell: Cell) -> Text:
        state = self.state
        count = f" {state.count[0]}/{state.count[1]}" if state.count else ""
        head = Text(cell.name, style="bold", no_wrap=True, overflow="ellipsis")
        if state.interrupted:
            return head.append(ENDS, "not bold red")
        return head.append(f"  {state.phase}{count}  {state.figures}", style="not bold")

    def _bars(self) -> tuple[ProgressBar, ProgressBar]:
        state = self.state
        width = min(WIDEST_BAR, self.out.width // 2)
        known = state.count is not None
        cell = ProgressBar(1.0 if known else None, state.share(), width, pulse=not known)
        return cell, ProgressBar(
            max(1, state.total), state.done + state.pace.share_of_cell(), width
        )

    def _cell_note(self) -> str:
        return _joined("this cell", clock(self.state.pace.spent()), self.state.pace.cell_left())

    def _whole_note(self) -> str:
        done = f"{self.state.done} of {self.state.total} done"
        return _joined(done, clock(time.monotonic() - self.began), self.state.pace.left())


def _row(spinner: Spinner, text: Text) -> Table:
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_row(spinner, text)
    return row


def _joined(head: str, spent: str, left: float | None) -> str:
    return f"{head}  {spent}" + ("" if left is None else f"  {clock(left)} left")
