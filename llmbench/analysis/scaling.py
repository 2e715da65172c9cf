"""How fast runs on several GPUs are, a GPU, and beside the same on one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmbench.analysis.facts import group
from llmbench.record.figure import GPUS, PER_GPU, Figure, efficiency, train_rate
from llmbench.record.record import Record

SPREADS = "parallelism"
"""The group of strategies that spread a run over GPUs."""
rate = train_rate("nonpadding_tokens")


def efficiencies(records: Sequence[Record]) -> dict[str, float]:
    """Of each run on several GPUs its speed over that of as many GPUs alone, by its cell's id.

    As far as the same composition ran on one GPU, with the same seed and all else alike.
    """
    alone = {_key(r): r for r in records if not r.ranks}
    shares = {}
    for record in records:
        other = alone.get(_key(record)) if record.ranks else None
        speed, single = rate(record), rate(other) if other else None
        if speed and single:
            shares[record.cell.id] = speed / (len(record.ranks) * single)
    return shares


def _key(record: Record) -> tuple[object, ...]:
    """What a run shares with the same on one GPU."""
    cell = record.cell
    members = sorted(
        (m.id, sorted(map(str, m.options.items()))) for m in cell.members if m.group != SPREADS
    )
    return (group(record), cell.seed, cell.fit, cell.tuning, cell.repeat, str(members))


def figures(records: Sequence[Record]) -> tuple[Figure, ...]:
    """The columns of runs on several GPUs; none where there are no such runs."""
    if not any(r.ranks for r in records):
        return ()
    return (GPUS, PER_GPU, efficiency(efficiencies(records)))


def peaks(record: Record) -> Iterator[int]:
    """The peak of the train phase of each rank, of the kind that is the run's."""
    for rank in record.ranks:
        memory = rank.peaks.get("train")
        if memory is not None:
            yield memory.allocated_bytes or memory.host_growth_bytes or 0
