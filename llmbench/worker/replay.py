"""What an allocator held when it held most, found by playing its history through again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from llmbench.record import MemoryParts

ROUNDING_BYTES = 512
"""Torch's allocator gives out multiples of this; its history has the sizes that were asked for."""


class Event(NamedTuple):
    """An allocation, or a block that was given back; size in bytes, as it was asked for."""

    allocates: bool
    address: int
    size: int


class Peak(NamedTuple):
    """The moment at which most was held."""

    size: int
    """Bytes held then."""
    blocks: Mapping[int, int]
    """Of the blocks that are held at the end, those that were held then: address to size."""


def find_peak(events: Sequence[Event], blocks: Mapping[int, int]) -> Peak:
    """The moment of the peak over the events; `blocks` is what is held at the end of them.

    A block's size is the allocator's where it still stands at the end, and else the size asked
    for, rounded up. An address is given out again and again: only its last allocation is what
    stands there at the end.
    """
    born, before = _lives(events, blocks)
    held = most = before
    moment, sizes = -1, dict[int, int]()
    for index, event in enumerate(events):
        if event.allocates:
            lasting = born.get(event.address) == index
            size = blocks[event.address] if lasting else _rounded(event.size)
            sizes[event.address] = size
            held += size
        else:
            held -= sizes.pop(event.address, _rounded(event.size))
        if held > most:
            most, moment = held, index
    return Peak(most, {a: size for a, size in blocks.items() if born.get(a, -1) <= moment})


def take_apart(peak: Peak, owners: Mapping[str, Iterable[int]]) -> MemoryParts:
    """The peak by what it was made of; `owners` has addresses by the name of a part.

    A block counts once, for the first owner that has an address inside it. What nobody owns, and
    what was given back before the end, are activations and the rest.
    """
    starts, counted = sorted(peak.blocks), set[int]()
    parts = {}
    for name, addresses in owners.items():
        mine = {s for a in addresses if (s := _start(peak.blocks, starts, a)) is not None} - counted
        counted |= mine
        parts[name] = sum(peak.blocks[start] for start in mine)
    return MemoryParts(**parts, activations_bytes=max(0, peak.size - sum(parts.values())))


def _lives(events: Sequence[Event], blocks: Mapping[int, int]) -> tuple[dict[int, int], int]:
    """The event that made each block that lasts, and the bytes held before the first event."""
    alive = dict[int, int]()
    before = 0
    for index, event in enumerate(events):
        if event.allocates:
            alive[event.address] = index
        elif alive.pop(event.address, None) is None:
            before += _rounded(event.size)
    born = {address: index for address, index in alive.items() if address in blocks}
    return born, before + sum(size for a, size in blocks.items() if a not in born)


def _start(blocks: Mapping[int, int], starts: Sequence[int], address: int) -> int | None:
    """Where the block begins that the address lies in."""
    place = bisect_right(starts, address) - 1
    if place < 0 or address >= starts[place] + blocks[starts[place]]:
        return None
    return starts[place]


def _rounded(size: int) -> int:
    return -(-size // ROUNDING_BYTES) * ROUNDING_BYTES
