"""The largest size within a budget: doubling until one is beyond it, then bisection."""

from __future__ import annotations

from collections.abc import Callable

from llmbench.record import Fit

NO_MEMORY = -1
"""Stands for the peak of a trial in which memory ran out."""


def largest(peak_of: Callable[[int], int | None], budget: int, grain: int, most: int) -> Fit:
    """The largest multiple of `grain`, of at most `most`, whose peak is within the budget.

    `peak_of` tries a size and returns its peak in bytes; None where memory ran out. Peaks are
    taken to grow with the size. A size of 0 means that not even the smallest is within it.
    """
    tried: list[tuple[int, int]] = []
    fitting, beyond = 0, most // grain + 1
    unbounded = beyond
    while beyond - fitting > 1:
        doubled = min(max(1, 2 * fitting), unbounded - 1)
        count = doubled if beyond == unbounded else (fitting + beyond) // 2
        peak = peak_of(count * grain)
        tried.append((count * grain, NO_MEMORY if peak is None else peak))
        if peak is not None and peak <= budget:
            fitting = count
        else:
            beyond = count
    return Fit(size=fitting * grain, tried=tuple(tried))
