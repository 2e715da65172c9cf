"""Ids of evaluated examples, told apart where records are of different data.

Ids are often plain numbers: two data sets would seem to share examples.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmbench.record.record import Cell, Record

DIGEST = 8
"""Hexadecimal digits of the data's hash that stand before an id."""


def home(cells: Sequence[Cell]) -> str:
    """Hash of the data that a comparison's inputs are of; empty without cells."""
    return cells[0].eval_data.sha256 if cells else ""


def own_id(example_id: str, data: str, of: str) -> str:
    """The id, with the hash of its data before it unless they are those of the comparison."""
    mark = f"{data[:DIGEST]}:"
    return example_id if data == of or example_id.startswith(mark) else f"{mark}{example_id}"


def with_own_ids(record: Record, of: str) -> Record:
    """The record with the ids of its examples made its data's own, unless those are `of`."""
    data = record.cell.eval_data.sha256
    if data == of or not record.examples:
        return record
    examples = (e.model_copy(update={"id": own_id(e.id, data, of)}) for e in record.examples)
    return record.model_copy(update={"examples": tuple(examples)})
