"""The ways in which a batch of prompts is continued, one for a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from llmbench.record.settings import Settings
from llmbench.text import short
from llmbench.worker import architecture, shortage
from llmbench.worker.graphed import Decoder

WARM_UP_TOKENS = 8
"""New tokens generated before the clock starts, so that no one-off cost is counted."""


TOGETHER = 32
"""Prompts that are continued at a time where there is no reason for more."""
MOST_TOGETHER = 128
SHARE_OF_CACHE = 0.1
"""Of a GPU's memory, what keys and values may take where more prompts than that are continued."""


def apart(model: Any) -> bool:
    """Whether prompts are continued one at a time, since the model would read padding as text."""
    return model.config.model_type in architecture.READS_PADDING


def at_a_time(model: Any, settings: Settings, tokens: int, device: torch.device) -> int:
    """How many prompts are continued together, each of so many tokens at most, new ones included.

    As many as were asked for. Else, on a GPU, as many as a share of its memory holds the keys and
    values of: a token of a small model takes as long for few as for many. All cells of a comparison
    come to the same number.
    """
    if apart(model):
        return 1
    each = tokens * cache_bytes(model.config.get_text_config())
    if settings.eval_batch_size or device.type != "cuda" or not each:
        return settings.eval_batch_size or TOGETHER
    room = int(SHARE_OF_CACHE * torch.cuda.get_device_properties(device).total_memory)
    return min(MOST_TOGETHER, max(TOGETHER, room // each))


def cache_bytes(config: Any) -> int:
    """Bytes of a token's keys and values in all layers, in fp32, whatever a cell computes in.

    0 where the configuration does not tell.
    """
    layers, queries, hidden = (
        getattr(config, name, None) or 0
        for name in ("num_hidden_layers", "num_attention_heads", "hidden_size")
    )
    heads = getattr(config, "num_key_value_heads", None) or queries
    width = getattr(config, "head_dim", None) or hidden // max(1, queries)
    return int(2 * layers * heads * width * torch.float32.itemsize)


class Generate:
    """transformers' own generation, greedy, with a cache that grows."""

    name = "a cache that grows"

    def __init__(
        self,
        model: Any,
        settings: Settings,
        pad: int,
        ends: Sequence[int] | None,
        stop: Mapping[str, Any] | None,
    ) -> None:
        self._model, self._most = model, settings.max_new_tokens
        self._least = settings.max_new_tokens if ends is None else None
        self._paired = architecture.paired(model.config)
        self._options: dict[str, Any] = {
            "do_sample": False,
            "num_beams": 1,
            "use_cache": True,
            "pad_token_id": pad,
            "synced_gpus": False,  # of several ranks one generates alone, or all the same
        }
        self._options |= {"eos_token_id": list(ends)} if ends else {}
        self._options |= stop or {}

    def warm_up(self, ids: torch.Tensor, mask: torch.Tensor) -> None:
        """Do once what takes longer the first time."""
        few = min(WARM_UP_TOKENS, self._most)
        self._generated(ids, mask, few, few)

    def continued(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """New token ids, of shape (prompts, tokens until all have ended)."""
        new = self._generated(ids, mask, self._most, self._least)
        # A decoder of its own starts with one token, and a causal model with the prompt.
        return new[:, 1 if self._paired else ids.shape[1] :]

    def _generated(
        self, ids: torch.Tensor, mask: torch.Tensor, most: int, least: int | None
    ) -> torch.Tensor:
        batch = {"input_ids": ids, "attention_mask": mask}
        new: torch.Tensor = self._model.generate(
            **batch, **self._options, max_new_tokens=most, min_new_tokens=least
        )
        return new


class Graphed:
    """The same with a cache of fixed size and a CUDA graph; as ever where that cannot be."""

    def __init__(
        self, usual: Generate, model: Any, new: int, pad: int, ends: Sequence[int]
    ) -> None:
        self._usual, self._model = usual, model
        self._new, self._pad, self._ends = new, pad, ends
        self._decoder: Decoder | None = None
        self.name = "a cache of fixed size"

    def warm_up(self, ids: torch.Tensor, mask: torch.Tensor) -> None:
        """Record the work of a token; no later batch may have more rows or longer prompts."""
        self._decoder = None
        rows, longest = ids.shape
        try:
            made = Decoder(self._model, rows, longest, self._new, self._pad, self._ends)
            made.record(ids, mask)
        except Exception as error:  # of a model's own code, too, which may know no such cache
            if shortage.out_of_memory(error):
                raise
            self.name = f"{self._usual.name} ({short(str(error), 100)})"
            self._usual.warm_up(ids, mask)
        else:
            self._decoder = made

    def continued(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """New token ids, of shape (prompts, tokens until all have ended)."""
        return (self._decoder or self._usual).continued(ids, mask)


def way(
    model: Any,
    settings: Settings,
    pad: int,
    ends: Sequence[int] | None,
    stop: Mapping[str, Any] | None,
) -> Generate | Graphed:
    """The one that the settings ask for. Texts that end a prediction are found by transformers.

    Where there are several ranks, what they exchange would be called in the middle of a recording.
    """
    usual = Generate(model, settings, pad, ends, stop)
    if settings.decoding == "eager" or stop or settings.gpus > 1:
        return usual
    return Graphed(usual, model, settings.max_new_tokens, pad, ends or ())
