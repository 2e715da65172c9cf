"""The live display: the running cell and the whole comparison, under the lines of what is done."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table

from llmbench.console.lines import Lines
from llmbench.format import clock
from llmbench.plan import Plan
from llmbench.record import Cell

REFRESHES_PER_SECOND = 8
WIDEST_BAR, NARROWEST_BAR = 40, 8
GAP = 2


class LiveView(Lines):
    """Two lines that change in place, and a line above them for every cell that has ended."""

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
            self.spinner.text = "Writing the report" if self.started else "Reading model and data"
            return self.spinner
        heads = self._cell_head(cell), f"{self.state.done} of {self.state.total} done"
        notes = self._cell_note(), self._whole_note()
        room = self.out.width - 2 - 2 * GAP - max(map(len, heads)) - max(map(len, notes))
        width = max(NARROWEST_BAR, min(WIDEST_BAR, room))
        bars = self._bars(width)
        grid = Table.grid(padding=(0, GAP, 0, 0))
        grid.add_column(width=1)
        for _ in range(3):
            grid.add_column(no_wrap=True)
        grid.add_row(self.spinner, heads[0], bars[0], notes[0])
        grid.add_row("", heads[1], bars[1], notes[1])
        return grid

    def _bars(self, width: int) -> tuple[ProgressBar, ProgressBar]:
        state = self.state
        known = state.count is not None
        cell = ProgressBar(1.0 if known else None, state.share(), width, pulse=not known)
        return cell, ProgressBar(max(1, state.total), state.done, width)

    def _cell_head(self, cell: Cell) -> str:
        count = self.state.count
        progress = f" {count[0]}/{count[1]}" if count else ""
        return f"{cell.composition}  {self.state.phase}{progress}"

    def _cell_note(self) -> str:
        left = self.state.pace.cell_left()
        return "  ".join(p for p in (self.state.figures, _left(left)) if p)

    def _whole_note(self) -> str:
        spent = clock(time.monotonic() - self.began)
        return "  ".join(p for p in (spent, _left(self.state.pace.left())) if p)


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"about {clock(seconds)} left"
