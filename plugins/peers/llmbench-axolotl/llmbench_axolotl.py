"""Axolotl's kernels for LoRA, put into the model that llmbench trains."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from llmbench import hookimpl
from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings

LLMBENCH_HOOKS = 1
KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel")
"""As its configuration names them: each is one backward pass for several layers' adapters."""


class Axolotl(Strategy):
    """Joined with adapters: `lora+axolotl`, `qlora(paged=false)+axolotl`.

    Adapters, optimiser, loop and loss are llmbench's, and checkpointing is, where it is asked for.
    """

    id = "axolotl"
    summary = "Axolotl's kernels for LoRA: several adapters in one pass, forward and backward"
    group = "adapter kernels"
    stands_on = "lora"
    arithmetic = False
    packages = ("axolotl",)
    in_all = False

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Its kernels are written in Triton."""
        if find_spec("axolotl") is None:
            return "The package 'axolotl' is not installed: pip install llmbench-axolotl."
        if environment.device != "cuda":
            return "Axolotl's kernels need a GPU: leave axolotl out here."
        return None

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Patch the attention's class, and the layers of this model."""
        from peft import PeftModel

        if not isinstance(model, PeftModel):
            raise CannotRun("Axolotl's kernels are for adapters of peft: write lora+axolotl.")
        from axolotl.monkeypatch.lora_kernels import apply_lora_kernel_patches, patch_self_attn_lora
        from axolotl.utils.dict import DictDefault

        with tempfile.TemporaryDirectory() as folder:
            model.get_base_model().config.save_pretrained(folder)  # where it looks for the class
            asked = DictDefault({"base_model": folder, **dict.fromkeys(KERNELS, True)})
            patch_self_attn_lora(asked)
        return apply_lora_kernel_patches(model, asked)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `axolotl`."""
    register(Axolotl)
