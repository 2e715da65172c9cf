"""A/A: is the same thing, run twice, told apart from itself?

    python tests/benchmark/same_twice.py

Two strategies are LoRA; the second draws its adapters with another seed, so that it is another
training of the same thing and not the same bits. Of 40 comparisons, at most 2 may end in a
verdict other than "undecided", in quality and in speed alike. One seed decides nothing on quality;
that its interval leaves zero out all the same is how often luck would have been taken for merit.
"""

from __future__ import annotations

import many

from llmbench.analysis.statistics.quality import all_differences
from llmbench.analysis.statistics.rate import speeds
from llmbench.record.figure import QUALITY
from llmbench.record.variant import Variant

BODY = """
    def prepare(self, model, settings):
        import torch

        torch.manual_seed(torch.initial_seed() + 1_000_003)
        return super().prepare(model, settings)
"""


def main() -> None:
    args = many.parse(__doc__, comparisons=40)
    pairs = many.run("with other adapters", BODY, args)
    report(f"{args.seeds} seeds", pairs)
    single = [
        (Variant((a,)), Variant((b,)))
        for one, other in pairs
        for a, b in zip(one.records, other.records, strict=True)
    ]
    report("one seed", single)


def report(name: str, pairs: list[tuple[Variant, Variant]]) -> None:
    """How many comparisons told the two apart."""
    quality = [apart(one, other) for one, other in pairs]
    speed = [told(speed(one, other)) for one, other in pairs]
    for figure, found in (("quality", quality), ("speed", speed)):
        share = 100 * sum(found) / len(found)
        text = f"{figure}: told apart in {sum(found)} of {len(found)} comparisons ({share:.1f} %)"
        print(f"{name}, {text}")  # noqa: T201


def speed(one: Variant, other: Variant) -> dict:
    """The verdict on their speeds."""
    return {"other": speeds([one, other]).verdict(other, one)}


def apart(one: Variant, other: Variant) -> bool:
    """Whether the interval of their difference in quality leaves zero out."""
    found = all_differences([one, other], QUALITY)
    interval = found and found.interval(one.id, other.id)
    return bool(interval and interval.beyond_zero)


def told(verdicts: dict) -> bool:
    """Whether there is a verdict, and it is not that they cannot be told apart."""
    (verdict,) = verdicts.values()
    return verdict.word != "undecided"


if __name__ == "__main__":
    main()
