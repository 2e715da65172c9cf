"""Packing: a micro-batch's examples in one row without padding, none of which sees another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llmbench import hookimpl
from llmbench.plugin.strategy import CannotRun, Strategy

LLMBENCH_HOOKS = 1
IGNORED = -100


class Packing(Strategy):
    """Positions start anew with every example, by which transformers masks the others.

    The first token of an example is not predicted from the last of the one before.
    """

    id = "packing"
    summary = "the examples of a micro-batch in one row, without padding"
    group = "batches"
    arithmetic = False

    def batches(self, examples: Sequence[Any]) -> Mapping[str, Any]:
        """One row of all tokens."""
        import torch

        if examples[0].paired:
            raise CannotRun("Examples for an encoder and a decoder are not packed.")
        tokens = [(n, t, max(1, e.prompt)) for e in examples for n, t in enumerate(e.ids)]
        row = {
            "input_ids": [t for _, t, _ in tokens],
            "labels": [IGNORED if n < prompt else t for n, t, prompt in tokens],
            "position_ids": [n for n, _, _ in tokens],
        }
        return {name: torch.tensor([values]) for name, values in row.items()}


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `packing`."""
    register(Packing)
