"""Power on a GPU: cells that were measured twice, and one of the two slowed in arithmetic.

    python tests/benchmark/slowed_again.py reports/gallery/llama-2-7b-h200-before \
        reports/gallery/llama-2-7b-h200

Each composition that both comparisons hold is judged against itself three times: as it was
measured, with every step of the first made 5 % longer, and with every step of the second. All that
differs between two runs on two days is in it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from llmbench.analysis.statistics.rate import speeds
from llmbench.record.arm import Arm
from llmbench.record.record import Record
from llmbench.storage.store import Store

SLOWER = 1.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    args = parser.parse_args()
    first, second = trained(args.first), trained(args.second)
    show("| cell | as measured | second slowed | first slowed |\n| --- | --- | --- | --- |")
    for name in (n for n in first if n in second):
        one, other = first[name], second[name]
        words = word(one, other), word(one, slowed(other)), word(other, slowed(one))
        show(f"| `{name}` | {' | '.join(words)} |")


def trained(folder: Path) -> dict[str, Record]:
    """The folder's cells that trained, by composition."""
    return {r.cell.composition: r for r in Store(folder).read().records if r.steps}


def slowed(record: Record) -> Record:
    """The same cell, each step 5 % longer."""
    longer = (s.model_copy(update={"seconds": s.seconds * SLOWER}) for s in record.steps)
    return record.model_copy(update={"steps": tuple(longer)})


def word(reference: Record, record: Record) -> str:
    """The verdict on the record's speed, held against the reference's, by itself."""
    cell = record.cell.model_copy(update={"id": "other"})
    one, other = Arm((reference,)), Arm((record.model_copy(update={"cell": cell}),))
    return speeds([one, other]).verdict(other, one).word


def show(line: str) -> None:
    print(line)  # noqa: T201


if __name__ == "__main__":
    main()
