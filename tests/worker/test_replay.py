from __future__ import annotations

import pytest

from llmbench.record.record import MemoryParts
from llmbench.worker.anatomy import Event, PeakMoment, find_peak, take_apart

KIB = 1024
WEIGHTS, STATES, GRADIENT, WORK = (n * 1024 * KIB for n in range(1, 5))


def took(address: int, kib: int) -> Event:
    return Event(True, address, kib * KIB)


def gave(address: int, kib: int) -> Event:
    return Event(False, address, kib * KIB)


def step(work: int = 6) -> list[Event]:
    """Activations, then a gradient as half of them are freed, then the rest is freed."""
    return [
        took(WORK, work),
        took(WORK + 64 * KIB, 3),
        gave(WORK + 64 * KIB, 3),
        took(GRADIENT, 2),
        gave(WORK, work),
    ]


HELD = {WEIGHTS: 8 * KIB, STATES: 4 * KIB, GRADIENT: 2 * KIB}


def test_what_was_there_before_counts_from_the_first_event_on():
    assert find_peak([], HELD) == PeakMoment(14 * KIB, HELD)
    assert find_peak([took(WORK, 1), gave(WORK, 1)], HELD).size == 15 * KIB


def test_the_peak_is_the_moment_at_which_most_was_held():
    assert find_peak(step(), HELD).size == (8 + 4 + 6 + 3) * KIB


def test_a_gradient_that_came_after_the_peak_is_no_part_of_it():
    assert GRADIENT not in find_peak(step(), HELD).blocks


def test_a_gradient_that_was_there_at_the_peak_is_part_of_it():
    found = find_peak([*step(), *step()[:3], gave(WORK, 6)], HELD)
    assert found == PeakMoment((8 + 4 + 2 + 6 + 3) * KIB, HELD)


def test_an_address_that_is_given_out_again_is_another_block():
    events = [took(GRADIENT, 9), gave(GRADIENT, 9), took(GRADIENT, 2)]
    found = find_peak(events, HELD)
    assert found.size == (8 + 4 + 9) * KIB
    assert GRADIENT not in found.blocks


def test_a_block_from_before_that_is_freed_meanwhile_was_held_until_then():
    events = [took(WORK + 64 * KIB, 1), gave(WORK, 5), took(GRADIENT, 2)]
    found = find_peak(events, {**HELD, WORK + 64 * KIB: KIB})
    assert found.size == (8 + 4 + 5 + 1) * KIB


def test_sizes_are_rounded_as_the_allocator_rounds_them():
    events = [Event(True, WORK, 513), Event(False, WORK, 513)]
    assert find_peak(events, {}).size == 1024
    older = [Event(False, WORK, 1)]
    assert find_peak(older, {}).size == 512


def test_a_block_that_stands_at_the_end_has_the_allocators_size():
    assert find_peak([took(GRADIENT, 1)], {GRADIENT: 700 * KIB}).size == 700 * KIB


def test_parts_add_up_to_the_peak_and_nobodys_memory_is_the_rest():
    found = take_apart(
        find_peak([*step(), *step()[:3], gave(WORK, 6)], HELD),
        {
            "weights_bytes": [WEIGHTS],
            "optimizer_bytes": [STATES],
            "gradients_bytes": [GRADIENT],
            "adapter_bytes": [],
        },
    )
    assert found == MemoryParts(
        weights_bytes=8 * KIB,
        optimizer_bytes=4 * KIB,
        gradients_bytes=2 * KIB,
        activations_bytes=9 * KIB,
    )
    assert found.total_bytes == (8 + 4 + 2 + 9) * KIB


@pytest.mark.parametrize(
    ("address", "counted"), [(0, 8), (100, 8), (8 * KIB - 1, 8), (8 * KIB, 0), (-1, 0)]
)
def test_a_tensor_may_begin_anywhere_in_its_block(address, counted):
    found = take_apart(find_peak([], HELD), {"weights_bytes": [WEIGHTS + address]})
    assert found.weights_bytes == counted * KIB


def test_a_block_that_two_share_counts_once_for_the_first():
    owners = {"adapter_bytes": [WEIGHTS, WEIGHTS + 10], "weights_bytes": [WEIGHTS + 20]}
    found = take_apart(find_peak([], HELD), owners)
    assert (found.adapter_bytes, found.weights_bytes) == (8 * KIB, 0)
