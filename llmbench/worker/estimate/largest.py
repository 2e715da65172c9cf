"""The largest size that stays within a budget, found with few trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping

PATIENCE = 3
"""Every so many trials the middle is tried, whatever the line through the neighbours says."""


def largest(peak_of: Callable[[int], int], budget: int, most: int, known: Mapping[int, int]) -> int:
    """The largest size of 1 to `most` whose peak is within the budget; 0 if that of 1 is not.

    Peaks grow with the size, nearly along a line. The line through the nearest known sizes says
    where to try next, and it ends only when a size is within the budget and the next one is not,
    both tried. `known` holds peaks of sizes that were tried before, and for 0 what there is at
    least: where that is beyond the budget, nothing has to be tried.
    """
    tried = dict(known)
    trials = 0
    while tried[0] <= budget:
        fitting = max(n for n, peak in tried.items() if peak <= budget)
        beyond = min((n for n in tried if n > fitting), default=most + 1)
        if beyond - fitting <= 1:
            return fitting
        trials += 1
        middle = (fitting + beyond) // 2
        guess = middle if trials % PATIENCE == 0 else on_line(tried, fitting, beyond, budget)
        size = min(max(guess, fitting + 1), beyond - 1)
        tried[size] = peak_of(size)
    return 0


def on_line(tried: Mapping[int, int], fitting: int, beyond: int, budget: int) -> int:
    """The size at which a line through two tried sizes meets the budget."""
    above = min((n for n in tried if n >= beyond), default=None)
    below = max((n for n in tried if n < fitting), default=None)
    other = below if above is None else above
    if other is None:
        return 2 * fitting
    slope = (tried[other] - tried[fitting]) / (other - fitting)
    if slope <= 0:  # what is held elsewhere in the step hides the growth
        return 2 * fitting
    return int(fitting + (budget - tried[fitting]) / slope)
