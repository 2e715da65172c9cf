"""An exporter that writes bytes: every step of every run as Parquet, for pandas or DuckDB."""

from __future__ import annotations

import io
from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.exporter import Exporter
from llmbench.record.comparison import Comparison

LLMBENCH_HOOKS = 1


def steps(comparison: Comparison) -> bytes:
    """A row for each training step, with the run that it is of."""
    import pyarrow
    from pyarrow import parquet

    rows = [
        {"run": record.cell.id, "method": record.cell.composition, "seed": record.cell.seed}
        | {"step": number, **step.model_dump()}
        for record in comparison.reported.planned
        for number, step in enumerate(record.steps, 1)
    ]
    written = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), written)
    return written.getvalue()


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Offer `parquet`."""
    summary = "every step of every run, as Parquet"
    register(Exporter("parquet", summary, "steps.parquet", steps, printed=False))
