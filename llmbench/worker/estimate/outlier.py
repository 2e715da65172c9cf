"""How many columns of its inputs LLM.int8 takes for outliers.

A column with a value over the threshold is computed apart, and kept for the backward pass a second
time. How many there are is a matter of the values, and not of the shapes: in a trained model few
(Dettmers et al., 2022, find at most seven features of 4,096 at a scale of 7 billion). With random
weights, inputs that were normalised have none, but where two activations are multiplied, as in a
gated feed-forward layer, hardly a column of a long batch is without one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

SPREAD = 8.0
POINTS = 2000
"""The integral over a normal distribution goes this many deviations out, in so many points."""


@dataclass(frozen=True)
class Outliers:
    """What share of values is over the threshold, by the width of the inputs; others have none."""

    chances: Mapping[int, float] = field(default_factory=dict)

    def columns(self, inputs: torch.Tensor) -> int:
        """The columns of (rows, width) inputs in which a value is expected to be over it."""
        width = inputs.shape[-1]
        rows = inputs.numel() // width
        return round(width * (1 - (1 - self.chances.get(width, 0.0)) ** rows))


def of_random(model: Any) -> Outliers:
    """What to expect of a base model with random weights, as far as it is loaded in LLM.int8."""
    config = model.config.get_text_config()
    deviation = getattr(config, "initializer_range", 0.02)
    chances = {}
    for module in model.modules():
        down: Any = getattr(module, "down_proj", None)
        gate: Any = getattr(module, "gate_proj", None)
        if gate is not None and hasattr(down, "state"):
            spread = deviation * math.sqrt(gate.in_features)
            chances[down.in_features] = chance(spread, down.state.threshold)
    return Outliers(chances)


@cache
def chance(deviation: float, threshold: float) -> float:
    """The chance that |silu(g) u| is over the threshold, g and u normal with that deviation.

    Both are products of a row of weights with an input of unit mean square. The chance for u is
    integrated over g.
    """
    step = 2 * SPREAD / POINTS
    total = 0.0
    for point in range(POINTS):
        z = -SPREAD + (point + 0.5) * step
        gate = abs(deviation * z / (1 + math.exp(-deviation * z)))
        density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        total += step * density * math.erfc(threshold / (gate * deviation * math.sqrt(2)))
    return total
