"""Cells whose steps took unequally long: how much, the likely cause, and what would help."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from llmbench import units
from llmbench.record.figure import measured_steps, timed
from llmbench.record.record import Conditions, Record, Step

LEAST_STEPS = 8
"""With fewer steps, neither scatter nor drift can be distinguished from chance."""
SCATTER = 0.10
"""A spread above which steps scatter, as a share of their median."""
DRIFT = 0.05
"""A change from the first step to the last above which they drift, likewise."""
LARGE = 1.5
"""A factor between the first and the last quarter from which a drift is said as one."""
CHANCE = 0.01
"""Kendall's p-value below which a drift is more than scatter."""
WARM = 0.2
"""By what share of the later steps' median the first may exceed it before it is warming up, or by
three times their spread if that is more."""
CLOCK_FALL = 0.05
"""A fall of the clock that shows in the figures, as a share of the highest."""
STALL = 3.0
"""How many times the median a step takes that something held up."""
LOST = 0.05
"""The share of a cell's time above which its stalls are worth a word."""
MOST_POINTS = 200
"""Longer series are thinned to so many: slopes are taken between all pairs."""


class Mark(NamedTuple):
    """Why a cell's speed is to be read with care."""

    what: str
    """What is to be seen, as the end of a sentence that begins with the cell's name."""
    cause: str
    """The likely cause, a sentence; may be shared by many cells."""
    size: float = 0.0
    """By what share times vary, drift, or exceed others."""
    disturbed: bool = False
    """Whether others used the GPU, or something held it down."""


def marks(record: Record) -> tuple[Mark, ...]:
    """What there is to say of the cell's measured steps; nothing if they were steady."""
    times = step_times(measured_steps(record) if timed(record) else ())
    seen = conditions(record)
    disturbed = bool(seen and list(_causes(seen)))
    remarks = [Mark(what, cause(seen, h), size, disturbed) for what, h, size in _unsteady(times)]
    if seen and seen.other_processes and not remarks:
        remarks.append(Mark("did not have the GPU to itself", cause(seen, ""), 0.0, True))
    return tuple(remarks)


def step_times(steps: Sequence[Step]) -> list[float]:
    """How long each step took, relative to the median.

    Steps of text differ in length: seconds are taken per padded token, or per step where that
    scatters less, as it does where a step waits for its kernels to be launched.
    """
    if not steps:
        return []
    series = [[s.seconds for s in steps], [s.seconds / s.padded_tokens for s in steps]]
    return min(([t / median(of) for t in of] for of in series), key=spread)


def spread(times: Sequence[float]) -> float:
    """The median absolute deviation about the median, scaled to a normal's standard deviation.

    Robust: half of the values may be anything. Source: Hampel, "The influence curve" (1974).
    """
    middle = median(times)
    return 1.4826 * median(abs(t - middle) for t in times) / middle


def drift(times: Sequence[float]) -> float:
    """By what share the times change from the first to the last; 0 where that may be chance.

    The slope is the median of those between all pairs (Theil, 1950; Sen, 1968), and chance is
    judged by Kendall's rank correlation (1938) between time and place.
    """
    quarter = len(times) // 4
    change = median(times[-quarter:]) / median(times[:quarter]) - 1
    if abs(change) < DRIFT / 2:  # so that scipy is not imported for a steady cell
        return 0.0
    from scipy.stats import kendalltau, theilslopes

    thinned = thin(times)
    if kendalltau(range(len(thinned)), thinned).pvalue >= CHANCE:
        return 0.0
    slope = float(theilslopes(thinned).slope)
    return slope * (len(thinned) - 1) / median(thinned)


def thin(times: Sequence[float]) -> list[float]:
    """At most MOST_POINTS values: medians of equally long stretches."""
    size = -(-len(times) // MOST_POINTS)
    return [median(times[at : at + size]) for at in range(0, len(times), size)]


def conditions(record: Record) -> Conditions | None:
    """What the GPU was like while the cell trained."""
    phase = record.phases.get("train")
    return phase.conditions if phase else None


def cause(seen: Conditions | None, remedy: str) -> str:
    """What the GPU's conditions say of why, and what would help."""
    why = "; ".join(_causes(seen)) if seen else ""
    return " ".join(filter(None, [why and f"{why[0].upper()}{why[1:]}.", remedy]))


def _unsteady(times: Sequence[float]) -> Iterator[tuple[str, str, float]]:
    """What is to be seen in the times, the option that helps against it, and how large it is."""
    if len(times) < LEAST_STEPS:
        return
    first = times[0] / median(times[len(times) // 4 :])
    moved, scattered = drift(times), spread(times)
    if first > 1 + max(WARM, 3 * scattered):
        what = f"was still warming up: its first measured step took {first:.1f} times as long"
        yield what, "Leave more steps out of the speed with --burn-in-steps.", first - 1
    elif abs(moved) > DRIFT:
        yield (
            _moved(times, moved),
            "Run more steps (--steps), or leave more out (--burn-in-steps).",
            abs(moved),
        )
    held_up = [t for t in times if t > STALL * median(times)]
    lost = math.fsum(held_up) - len(held_up) * median(times)
    if lost > LOST * math.fsum(times):
        yield (
            f"was held up in {len(held_up)} of {len(times)} steps, which took "
            f"{units.percent(lost / math.fsum(times), 1)} of its time",
            "Its speed counts them: more seeds (--seeds), and a machine that does nothing "
            "else, make it certain.",
            lost / math.fsum(times),
        )
    elif scattered > SCATTER:
        yield (
            f"has steps that vary by {units.percent(scattered, 1)}",
            "More steps (--steps) make the speed more certain.",
            scattered,
        )


def _moved(times: Sequence[float], share: float) -> str:
    """How a drift is said: as a factor where it is large."""
    quarter = len(times) // 4
    factor = median(times[-quarter:]) / median(times[:quarter])
    if factor > LARGE or 1 / factor > LARGE:
        return f"took {factor:.1f} times as long for a step at the end as at the beginning"
    word = "slower" if share > 0 else "faster"
    return f"became {word} by {units.percent(abs(share), 1)} over its measured steps"


def _causes(seen: Conditions) -> Iterator[str]:
    if seen.other_processes:
        them = "another process" if seen.other_processes == 1 else "other processes"
        yield f"{them} held memory on the GPU"
    if seen.clock_mhz and seen.clock_mhz[0] < (1 - CLOCK_FALL) * seen.clock_mhz[2]:
        low, _, high = seen.clock_mhz
        yield f"the GPU's clock fell from {high:,} to {low:,} MHz"
    if seen.throttle_reasons:
        yield f"the GPU was held down ({', '.join(seen.throttle_reasons)})"
