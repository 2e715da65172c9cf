"""The output layer and the loss in one, in chunks: all logits are never there at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings
from llmbench_fast.compile import missing


class FusedCrossEntropy(Strategy):
    """Computes logits, loss and their gradients a chunk of tokens at a time.

    With a vocabulary of 32,000 and more, logits and their gradients are among the largest tensors
    of a step. Alone it is `full+fused-cross-entropy`.
    """

    id = "fused-cross-entropy"
    summary = "output layer and loss in chunks of tokens, never all logits at once: less memory"
    group = "loss"
    arithmetic = False
    in_all = False

    kernel: Literal["torch", "compiled", "liger"] = Field(
        "torch",
        description="torch's operators, the same compiled, or the Triton kernels of liger-kernel.",
    )

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Liger's kernels are for GPUs, and compiled ones need a compiler."""
        if self.kernel == "torch":
            return None
        if self.kernel == "compiled":
            return missing(environment)
        if environment.device != "cuda":
            return "Liger's kernels need a GPU: leave kernel=liger out, and torch does the same."
        if find_spec("liger_kernel") is None:
            return "The package 'liger-kernel' is not installed: install it, or leave it to torch."
        return None

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Refuse models that have no output layer to fuse with."""
        import torch

        if self.kernel != "torch" and next(model.parameters()).is_meta:
            raise CannotRun("Memory of a loss with kernels of its own is not predicted.")
        if model.config.is_encoder_decoder:
            raise CannotRun("An encoder-decoder computes its loss itself: nothing can be fused.")
        if type(model.get_output_embeddings()) is not torch.nn.Linear:
            raise CannotRun("The output layer of this model is no plain linear layer.")
        return model

    def loss(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        """The loss of the model's own forward pass, its output layer and cross entropy replaced."""
        base = model.get_base_model() if hasattr(model, "peft_config") else model
        losses: list[Any] = []
        with replaced(base, self._fused(), losses):
            found = model(**inputs, use_cache=False).loss
        if not losses:
            raise CannotRun("This model computes its loss itself: nothing can be fused.")
        return found

    def _fused(self) -> Callable[..., Any]:
        """Mean loss of hidden states, weight, bias and labels."""
        if self.kernel == "liger":
            return by_liger
        from llmbench_fast import chunked

        of_chunk = chunked.compiled() if self.kernel == "compiled" else chunked.loss_and_slope
        return partial(chunked.linear_cross_entropy, of_chunk=of_chunk)


def by_liger(hidden: Any, weight: Any, bias: Any, labels: Any) -> Any:
    """The mean loss by Liger's kernels, which want bias and labels the other way round."""
    from liger_kernel.transformers import functional

    return functional.liger_fused_linear_cross_entropy(hidden, weight, labels, bias)


@contextmanager
def replaced(model: Any, fused: Callable[..., Any], losses: list[Any]) -> Iterator[None]:
    """The model's output layer hands hidden states on, and its loss is the fused one of them.

    Those that are computed are put into `losses`. CannotRun where the model does something to what
    its output layer gives, as some scale or cap their logits.
    """
    from torch.nn.functional import pad

    head, loss_function = model.get_output_embeddings(), model.loss_function
    handed: list[Any] = []

    def hand_on(hidden: Any) -> Any:
        handed.append(hidden)
        return hidden

    def loss(logits: Any, labels: Any, *_: Any, **__: Any) -> Any:
        if not any(logits is hidden for hidden in handed):
            raise CannotRun("This model changes its logits before the loss: nothing can be fused.")
        following = pad(labels, (0, 1), value=-100)[:, 1:].reshape(-1)
        losses.append(fused(logits.flatten(0, 1), head.weight, head.bias, following))
        return losses[-1]

    head.forward = hand_on
    model.loss_function = loss
    try:
        yield
    finally:
        del head.forward
        model.loss_function = loss_function
