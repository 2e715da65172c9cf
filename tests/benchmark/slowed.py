"""Power: is a step that is 5 % slower found?

    python tests/benchmark/slowed.py

Two strategies are LoRA; the second idles for 5 % of the time that forward and backward took, which
is a little less than 5 % of the step. It has to be found slower in 9 of 10 comparisons.
"""

from __future__ import annotations

from statistics import median

import many

from llmbench.analysis.statistics.rate import judge_speed, speeds

BODY = """
    def training(self):
        return idle()


from contextlib import contextmanager
from time import perf_counter


@contextmanager
def idle():
    started = perf_counter()
    yield
    until = perf_counter() + 0.05 * (perf_counter() - started)
    while perf_counter() < until:
        pass
"""
STEPS = 124
"""Long enough that a moment's disturbance is a small part of a cell."""


def main() -> None:
    args = many.parse(__doc__, comparisons=10)
    pairs = many.run("and idle", BODY, args, **{"steps": STEPS, "eval-examples": 1})
    words = [speeds([one, other]).verdict(other, one).word for one, other in pairs]
    found = [judge_speed(other, one) for one, other in pairs]
    slower = median(f.difference.estimate for f in found if f)
    print(  # noqa: T201
        f"{args.seeds} seeds: slower in {words.count('worse')} of {len(words)} comparisons, "
        f"faster in {words.count('better')}; by {-100 * slower:.1f} % in the median"
    )


if __name__ == "__main__":
    main()
