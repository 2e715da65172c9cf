"""Greedy decoding with a cache of fixed size, so that every token is the same work on the device.

On a GPU that work is recorded once as a CUDA graph and replayed: a small model's decoding is bound
by the host, which launches a thousand kernels for every token. Elsewhere it runs as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from llmbench.worker import architecture

KERNELS = ("sdpa", "eager")
"""Attention implementations that take a mask of which key each query sees."""


class CannotGraph(Exception):
    """Why a model is decoded in the ordinary way, in a few words."""


class Decoder:
    """Continues batches of prompts, of a most number of rows and a longest length."""

    def __init__(
        self, model: Any, rows: int, longest: int, new: int, pad: int, ends: Sequence[int]
    ) -> None:
        """`new` is the most tokens that a prompt of at most `longest` tokens is continued with."""
        self._model = plain(model)
        self._device = next(model.parameters()).device
        self._rows, self._width, self._new, self._pad = rows, longest + new, new, pad
        self._cache, self._cache_name = static_cache(self._model, self._width)
        self._last = last_alone(self._model)
        self._ends = torch.tensor(list(ends), dtype=torch.long, device=self._device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._token = self._zeros(rows, 1)
        self._position = self._zeros(rows, 1)
        self._slot, self._count = self._zeros(1), self._zeros(1)
        self._written = self._zeros(rows, new)
        self._ended = self._zeros(rows).bool()
        self._seen = self._zeros(rows, 1, 1, self._width).bool()

    def record(self, ids: torch.Tensor, mask: torch.Tensor) -> None:
        """Record the work of a token, if there is a GPU; the batch is any of those to come.

        Raises torch's error where a kernel of the model waits for the host.
        """
        if self._device.type == "cuda" and looks_for_outliers(self._model):
            raise CannotGraph("LLM.int8() waits for the host to see which columns have outliers")
        self._begin(ids, mask)
        if self._device.type != "cuda":
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(min(2, self._new - 1)):
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # What other threads do, such as sampling memory, is no part of it.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._step()
        self._graph = graph

    def continued(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """New token ids, int64 of shape (prompts, tokens until all have ended).

        `ids` and `mask` are of shape (prompts, length), padded on the left. What follows the end of
        a text is padding.
        """
        self._begin(ids, mask)
        step = self._graph.replay if self._graph else self._step
        made = 1
        while made < self._new and not bool(self._ended.all()):
            step()
            made += 1
        return self._written[: len(ids), :made].clone()

    def _begin(self, ids: torch.Tensor, mask: torch.Tensor) -> None:
        """Read the prompts into the cache, and write the first token of each."""
        missing = self._rows - len(ids)
        ids, mask = (torch.cat([t, t[:1].expand(missing, -1)]) for t in (ids, mask))
        length = ids.shape[1]
        for layer in self._cache.layers:
            layer.cumulative_length.zero_()
        self._seen.zero_()
        self._seen[:, 0, 0, :length] = mask.bool()
        self._slot.fill_(length)
        self._count.zero_()
        self._ended.zero_()
        self._ended[self._rows - missing :] = True
        position = (mask.cumsum(1) - 1).clamp(min=0)
        self._position.copy_(position[:, -1:] + 1)
        self._take(self._logits(ids, causal(self._seen, length), position))

    def _step(self) -> None:
        """One more token of every row. Nothing here may ask the device for a value."""
        self._seen.index_fill_(3, self._slot, True)
        logits = self._logits(self._token, self._seen, self._position)
        self._position += 1
        self._slot += 1
        self._take(logits)

    def _take(self, logits: torch.Tensor) -> None:
        """Write the likeliest token of each row that has not ended."""
        token = torch.where(self._ended, self._pad, logits.float().argmax(-1))
        self._ended |= torch.isin(token, self._ends)
        self._token.copy_(token[:, None])
        self._written.index_copy_(1, self._count, token[:, None])
        self._count += 1

    def _logits(
        self, ids: torch.Tensor, seen: torch.Tensor, position: torch.Tensor
    ) -> torch.Tensor:
        """Of the last token, (rows, vocabulary)."""
        logits: torch.Tensor = self._model(
            input_ids=ids,
            attention_mask=self._masked(seen),
            position_ids=position,
            use_cache=True,
            **self._last,
            **{self._cache_name: self._cache},
        ).logits
        return logits[:, -1]

    def _masked(self, seen: torch.Tensor) -> torch.Tensor:
        """The mask in the form that the kernel takes: eager attention adds it to its scores."""
        if self._model.config._attn_implementation != "eager":
            return seen
        dtype = self._model.dtype
        nothing = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        return nothing.masked_fill(~seen, torch.finfo(dtype).min)

    def _zeros(self, *shape: int) -> torch.Tensor:
        return torch.zeros(shape, dtype=torch.long, device=self._device)


def causal(seen: torch.Tensor, length: int) -> torch.Tensor:
    """Which keys each of the first queries sees, (rows, 1, length, width), of those to be seen.

    A query sees itself in any case: a row of padding that saw nothing would be no number, and spoil
    what it is multiplied with.
    """
    width = seen.shape[-1]
    before = torch.ones(length, width, dtype=torch.bool, device=seen.device).tril()
    return (seen & before) | torch.eye(length, width, dtype=torch.bool, device=seen.device)


def plain(model: Any) -> Any:
    """The model without what peft wraps around it; CannotGraph where that does something."""
    for config in getattr(model, "peft_config", {}).values():
        if config.is_prompt_learning:
            raise CannotGraph("something is put before its prompts")
    return model.get_base_model() if hasattr(model, "peft_config") else model


def last_alone(model: Any) -> dict[str, int]:
    """What has a model compute the logits of the last token alone, where it can."""
    name = "logits_to_keep"
    return {name: 1} if name in inspect.signature(model.forward).parameters else {}


def looks_for_outliers(model: Any) -> bool:
    """Whether weights are in LLM.int8(), whose outliers are computed apart."""
    quantization = architecture.stored_quantization(model.config)
    return quantization is not None and bool(quantization.load_in_8bit)


def static_cache(model: Any, width: int) -> tuple[Any, str]:
    """A cache of that many tokens, and what the model calls it; CannotGraph for other kinds."""
    from transformers import StaticCache
    from transformers.cache_utils import StaticLayer

    if model.config.is_encoder_decoder:
        raise CannotGraph("it has an encoder")
    if model.config._attn_implementation not in KERNELS:
        raise CannotGraph("its attention takes no mask")
    # Some, such as GPT-Neo, find a window's place by how many keys there are, written or not.
    if not getattr(model, "_can_compile_fullgraph", False):
        raise CannotGraph("its code is not made for such a cache")
    names = inspect.signature(model.forward).parameters
    name = next((n for n in ("cache", "past_key_values") if n in names), None)
    cache = StaticCache(config=model.config, max_cache_len=width)
    if name is None or any(type(layer) is not StaticLayer for layer in cache.layers):
        raise CannotGraph("not all of its layers keep all keys and values")
    if not all(hasattr(layer, "cumulative_length") for layer in cache.layers):
        raise CannotGraph("transformers is too old")
    return cache, name
