"""Whether a loaded model is a language model: what comes later is hidden, and the loss is right."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from llmbench.plugin.strategy import CannotRun
from llmbench.worker import architecture, coverage
from llmbench.worker.shortage import out_of_memory

FIRST, COUNT = 10, 8
"""The tokens of the text that is tried; low ones, since images and the like have high ones."""
SEEN_AHEAD = 0.05
"""Of the spread of the predictions: more than rounding, when experts or outliers change."""
LOSS_APART = 0.01
"""How far the model's own loss may be from the cross entropy of its predictions, as a share."""


@torch.no_grad()
def check(model: Any) -> None:
    """CannotRun where the base model's own loss, or its predictions, cannot be compared.

    Called before strategies change the model: one of theirs may add to the loss on purpose.
    """
    if not architecture.writes(model):
        return
    model.eval()
    device = next(model.parameters()).device
    ids = torch.arange(FIRST, FIRST + COUNT, device=device)[None] % architecture.vocabulary(model)
    output = _forward(model, ids)
    if getattr(model, "is_quantized", False):
        for training in (True, False):  # RWKV changes its weights on the way, if they are whole
            _forward(model.train(training), ids)
    logits = getattr(output, "logits", None)
    if logits is None:
        return
    right, own = cross_entropy(model, logits, ids), output.loss.item()
    if abs(own - right) > LOSS_APART * right:
        raise CannotRun(
            f"The loss that this model computes is {own:.3f} where the cross entropy of its "
            f"predictions is {right:.3f}: no figure of it could be compared."
        )
    # LLM.int8() takes outliers out of all tokens together, so that each has a share in the others'
    # rounding. What a decoder hides is seen on the base, which every comparison loads whole.
    if architecture.paired(model.config) or getattr(model, "is_quantized", False):
        return
    changed = ids.clone()
    changed[0, -1] = FIRST + COUNT
    before, after = logits[0, :-1].float(), _forward(model, changed).logits[0, :-1].float()
    if (before - after).abs().max() > SEEN_AHEAD * before.std():
        raise CannotRun(
            "This model sees the tokens that come after the one that it predicts, as an encoder "
            "does: it cannot learn to continue a text. Take a decoder."
        )


def cross_entropy(model: Any, logits: torch.Tensor, ids: torch.Tensor) -> float:
    """Of the tokens given those before them; a decoder's inputs are shifted by the model itself."""
    paired = architecture.paired(model.config)
    predicted, right = (logits[0], ids[0]) if paired else (logits[0, :-1], ids[0, 1:])
    return functional.cross_entropy(predicted.float(), right).item()


def _forward(model: Any, ids: torch.Tensor) -> Any:
    """The model's output; CannotRun where its code handles packed weights itself.

    Some models cast what they compute to the type of a weight, which makes bytes of it in silence.
    """
    few_bits = getattr(model, "is_quantized", False)
    packed = [m for m in model.modules() if coverage.is_packed(getattr(m, "weight", ids))]
    hooks = [module.register_forward_pre_hook(_numbers_only) for module in packed]
    try:
        return model(input_ids=ids, labels=ids, use_cache=False)
    except Exception as error:
        if out_of_memory(error) or not few_bits:
            raise
        raise CannotRun(
            "This model cannot run with its weights in few bits: its code computes with some of "
            f"them itself, and not through their layers ({type(error).__name__})."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()


def _numbers_only(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    if not inputs[0].is_floating_point():
        raise TypeError(f"{inputs[0].dtype} for a layer that takes floating point numbers")
