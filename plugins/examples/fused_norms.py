"""A model that a strategy loads itself: Llama's norms are torch's fused kernel from the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llmbench import hookimpl
from llmbench.plugin.strategy import CannotRun, Strategy

LLMBENCH_HOOKS = 1


class FusedNorms(Strategy):
    """Libraries such as Unsloth patch the model as they load it: they need the same hook."""

    id = "fused-norms"
    summary = "RMS norms in one kernel each, put in place as the model is loaded"
    group = "norms"
    arithmetic = False

    def load(self, source: str, options: Mapping[str, Any]) -> Any:
        """Load as the harness does, and put the kernels in place."""
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(source, **options)
        norms = {name: m for name, m in model.named_modules() if hasattr(m, "variance_epsilon")}
        if not norms:
            raise CannotRun("This model has no norms as Llama's are.")
        for name, norm in norms.items():
            model.set_submodule(name, fused(norm))
        return model


def fused(norm: Any) -> Any:
    """The same norm with the same weight, in torch's kernel."""
    import torch

    made = torch.nn.RMSNorm(norm.weight.shape, eps=norm.variance_epsilon, device="meta")
    made.weight = norm.weight
    return made


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `fused-norms`."""
    register(FusedNorms)
