"""How a comparison looks while it runs: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from llmbench.export import export
from llmbench.figure import BY_ID
from llmbench.format import clock, figure_text
from llmbench.launcher import Event
from llmbench.plan import Plan
from llmbench.record import Cell, Record, Status
from llmbench.store import Store

COLUMNS = ("rougeL", "peak_memory_bytes", "train_tokens_per_second", "trainable_parameters")
HEADINGS = ("ROUGE-L", "Memory", "Speed", "Trained")
"""Of the same figures in the final table, short enough for 80 columns."""
STYLES = {"ok": "green", "skipped": "yellow"}


class Console:
    """A listener that tells a person."""

    def __init__(self, out: RichConsole | None = None) -> None:
        self.out = out or RichConsole(highlight=False)
        self.live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self.out,
            transient=True,
            disable=not self.out.is_terminal,
        )
        self.total = 0
        self.done = 0
        self.spent: list[float] = []
        self.began = 0.0

    def __enter__(self) -> Console:
        self.live.start()
        self.task = self.live.add_task("Importing torch", total=None, note="")
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
        self.total = len(plan.cells)
        self.out.print(f"{self.total} cells into {root}", soft_wrap=True)

    def cell(self, cell: Cell) -> None:
        """Say which cell runs."""
        self.began = time.monotonic()
        self.name = cell.composition
        self.steps = cell.settings.steps
        self.live.update(self.task, description=self._head("starts"), total=None, note="")
        if not self.out.is_terminal:
            self._line(f"{cell.composition} ...")

    def event(self, event: Event) -> None:
        """Show phase, step, speed and time left."""
        kind = event["event"]
        if kind == "phase":
            self.live.update(
                self.task, description=self._head(event["phase"]), total=None, completed=0, note=""
            )
        elif kind == "step":
            note = f"{event['tokens_per_second']:,.0f} tokens/s{self._left()}"
            self.live.update(self.task, total=event["steps"], completed=event["step"], note=note)
        elif kind == "generate":
            self.live.update(
                self.task, total=event["total"], completed=event["done"], note=self._left().strip()
            )

    def record(self, record: Record, kept: bool) -> None:
        """A line with the cell's figures."""
        self.done += 1
        if not kept and record.status == "ok":
            self.spent.append(time.monotonic() - self.began)
        text = f"{record.cell.composition}  "
        if record.status != "ok":
            where = f" in {record.phase}" if record.phase else ""
            text += f"{record.status}{where}: {record.reason}"
        else:
            figures = (figure_text(BY_ID[c], record) for c in COLUMNS)
            text += "  ".join(
                f"{BY_ID[c].label} {f}" for c, f in zip(COLUMNS, figures, strict=True) if f
            )
            text += "  (measured before)" if kept else f"  {clock(time.monotonic() - self.began)}"
        self._line(text, STYLES.get(record.status, "red"))

    def finish(self, store: Store) -> list[Status]:
        """Write the report, show the table and where the report is."""
        self.live.update(self.task, description="Writing the report", total=None, note="")
        comparison = store.read()
        paths = export(comparison, store.root)
        self.live.stop()
        self.out.print(self._table(list(comparison.records)))
        report = next((p for p in paths if p.suffix == ".html"), store.root)
        self.out.print(Text(f"Report: {report}", style="bold"), soft_wrap=True)
        return [r.status for r in comparison.records]

    def _table(self, records: list[Record]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("Strategy", no_wrap=True, overflow="ellipsis")
        for heading in HEADINGS:
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("Status")
        for record in records:
            figures = [figure_text(BY_ID[c], record) or "-" for c in COLUMNS]
            status = Text(record.status, style=STYLES.get(record.status, "red"))
            table.add_row(record.cell.composition, *figures, status)
        return table

    def _line(self, text: str, style: str = "") -> None:
        width = len(str(self.total))
        number = f"[{min(self.done + (not style), self.total):>{width}}/{self.total}]"
        self.out.print(Text(f"{number} ") + Text(text, style=style), soft_wrap=True)

    def _head(self, phase: str) -> str:
        return f"[{self.done + 1}/{self.total}] {self.name}: {phase}"

    def _left(self) -> str:
        if not self.spent:
            return ""
        mean = sum(self.spent) / len(self.spent)
        left = mean * (self.total - self.done) - (time.monotonic() - self.began)
        return f"  {clock(max(0.0, left))} left"
