"""The live display: what runs and the whole comparison, under the lines of what is done."""

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
from llmbench.output.terminal.progress import Running
from llmbench.record.comparison import Plan
from llmbench.record.record import Cell
from llmbench.units import clock

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
        running = list(self.progress.pace.running.values())
        if not running:
            doing = "Writing the report" if self.started else "Reading model and data"
            doing = "Predicting memory" if self.progress.predicting else doing
            return _row(self.spinner, Text(doing + (ENDS if self.progress.interrupted else "")))
        bars = Table.grid(padding=(0, 2, 0, 0))
        for bar, note in (*map(self._cell, running), self._whole()):
            bars.add_row("", bar, Text(note, no_wrap=True, overflow="ellipsis"))
        return Group(*(_row(self.spinner, self._head(one)) for one in running), bars)

    def _head(self, one: Running) -> Text:
        count = f" {one.count[0]}/{one.count[1]}" if one.count else ""
        name = one.cell.name + self.progress.seed(one.cell)
        head = Text(name, style="bold", no_wrap=True, overflow="ellipsis")
        if self.progress.interrupted:
            return head.append(ENDS, "not bold red")
        return head.append(f"  {one.phase}{count}  {one.figures}", style="not bold")

    def _cell(self, one: Running) -> tuple[ProgressBar, str]:
        pace, known = self.progress.pace, one.count is not None
        bar = ProgressBar(1.0 if known else None, one.share, self._width, pulse=not known)
        return bar, _joined("this run", clock(pace.spent(one)), pace.cell_left(one))

    def _whole(self) -> tuple[ProgressBar, str]:
        progress, spent = self.progress, clock(time.monotonic() - self.began)
        done = progress.done + progress.pace.share_of_cells()
        bar = ProgressBar(max(1, progress.total), done, self._width)
        count = f"{progress.done} of {progress.total} done"
        return bar, _joined(count, spent, progress.pace.left())

    @property
    def _width(self) -> int:
        return min(WIDEST_BAR, self.out.width // 2)


def _row(spinner: Spinner, text: Text) -> Table:
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_row(spinner, text)
    return row


def _joined(head: str, spent: str, left: float | None) -> str:
    return f"{head}  {spent}" + ("" if left is None else f"  {clock(left)} left")
