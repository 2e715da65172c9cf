"""Allocations, their kinds, and the peak."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from llmbench.worker.estimate.watch import BLOCK_BYTES, Ledger


def test_sizes_are_rounded_up_to_blocks() -> None:
    ledger = Ledger()
    for size, held in ((0, 0), (1, 512), (512, 512), (513, 1024)):
        assert ledger.take(size).size_bytes == held
    assert ledger.held_bytes == 2048


def test_the_peak_is_what_was_held_then_and_no_more() -> None:
    ledger = Ledger()
    weights = ledger.take(1024, "weights")
    first = ledger.take(2048)
    ledger.give(first)
    ledger.take(512)
    assert ledger.peak_bytes == 3072
    assert ledger.at_peak() == {"weights": 1024, "activations": 2048}
    ledger.give(weights)
    assert ledger.at_peak() == {"weights": 1024, "activations": 2048}


def test_what_it_was_for_may_be_said_afterwards() -> None:
    ledger = Ledger()
    gradient = ledger.take(1024)
    ledger.give(gradient)
    gradient.kind = "gradients"
    assert ledger.at_peak() == {"gradients": 1024}


def test_a_reset_forgets_the_peak_and_keeps_what_is_held() -> None:
    ledger = Ledger()
    ledger.take(512, "weights")
    ledger.give(ledger.take(4096))
    ledger.reset_peak()
    assert (ledger.peak_bytes, ledger.at_peak()) == (512, {"weights": 512})


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5000), st.booleans()), min_size=1))
def test_the_parts_add_up_to_the_peak(moves: list[tuple[int, bool]]) -> None:
    ledger, held, most = Ledger(), [], 0
    for size, give in moves:
        held.append(ledger.take(size))
        most = max(most, sum(a.size_bytes for a in held))
        if give:
            ledger.give(held.pop(size % len(held)))
    assert ledger.peak_bytes == most == ledger.at_peak().total()
    assert most % BLOCK_BYTES == 0
    for allocation in held:
        ledger.give(allocation)
    assert ledger.held_bytes == 0
