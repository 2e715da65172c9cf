"""Cross entropy a few tokens at a time: the logits of all tokens are never there at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from llmbench import hookimpl
from llmbench.plugin.strategy import CannotRun, Strategy

LLMBENCH_HOOKS = 1


class ChunkedLoss(Strategy):
    """Computes each chunk's logits again on the way back, as fused kernels do on a GPU."""

    id = "chunked-loss"
    summary = "the loss is computed a few tokens at a time, without the logits of all of them"
    group = "loss"
    arithmetic = False

    tokens: int = Field(1024, ge=1, description="Tokens of a chunk.")

    def loss(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        """The mean over supervised tokens, as the harness has it."""
        from torch.nn.functional import cross_entropy
        from torch.utils.checkpoint import checkpoint

        if model.config.is_encoder_decoder or getattr(model.config, "logits_scaling", 1) != 1:
            raise CannotRun("The logits of this model are more than a product with its head.")
        given = {name: value for name, value in inputs.items() if name != "labels"}
        states = model.get_decoder()(**given, use_cache=False).last_hidden_state
        states, labels = states[:, :-1].flatten(0, 1), inputs["labels"][:, 1:].flatten()
        head = model.get_output_embeddings()

        def summed(some: Any, right: Any) -> Any:
            return cross_entropy(head(some).float(), right, reduction="sum")

        pairs = zip(states.split(self.tokens), labels.split(self.tokens), strict=True)
        total = sum(checkpoint(summed, s, right, use_reentrant=False) for s, right in pairs)
        return total / (labels != -100).sum()


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `chunked-loss`."""
    register(ChunkedLoss)
