"""What cells must share to be held against each other."""

from __future__ import annotations

from llmbench.record.record import Cell, Record
from llmbench.record.settings import ADJUSTABLE
from llmbench.record.variant import Variant


def group(variant: Variant | Record) -> tuple[object, ...]:
    """What variants or cells must share to be compared: all but strategy and seed."""
    cell = variant.cell
    device = variant.environment.device_name if variant.environment else None
    data = (cell.train_data.sha256, cell.eval_data.sha256)
    return (cell.model, cell.task, *data, device, tuple(asked_for(cell).items()))


def asked_for(cell: Cell) -> dict[str, object]:
    """The settings that all cells share, whatever the cell's strategies made of them.

    Of a record that does not tell, those alone that no strategy may change.
    """
    settings = cell.settings.model_dump(mode="json")
    if cell.shared is None:
        return {name: value for name, value in settings.items() if name not in ADJUSTABLE}
    return {**settings, **cell.shared}
