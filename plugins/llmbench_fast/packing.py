"""Packing: a micro-batch's examples in one row without padding, none of which sees another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmbench.plugin.strategy import CannotRun, Strategy

IGNORED = -100


class Packing(Strategy):
    """Positions start anew with every example, by which transformers masks the others.

    Where the `flash_attn` package computes attention, as with `flash-attention` on a GPU that has
    it, each example is a sequence of its own to the kernel; else a mask of blocks keeps them apart.
    The first token of an example is not predicted from the last of the one before. Alone it is
    `full+packing`.
    """

    id = "packing"
    summary = "the examples of a micro-batch in one row, without padding and apart from each other"
    group = "batches"
    arithmetic = False
    in_all = False

    def batches(self, examples: Sequence[Any], pad: int) -> Mapping[str, Any]:
        """One row of all tokens."""
        import torch

        if examples[0].paired:
            raise CannotRun("Examples for an encoder and a decoder are not packed.")
        row: dict[str, list[int]] = {"input_ids": [], "labels": [], "position_ids": []}
        for example in examples:
            given = max(1, example.prompt)
            row["input_ids"] += example.ids
            row["labels"] += [IGNORED if n < given else t for n, t in enumerate(example.ids)]
            row["position_ids"] += range(len(example.ids))
        return {name: torch.tensor([values]) for name, values in row.items()}
