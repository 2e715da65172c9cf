"""Tensor parallelism (Shoeybi et al., 2019), by transformers' own plan for each architecture."""

import math
from collections.abc import Sequence
from typing import Any

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench_parallel.spreading import Spreading, quantises


class TensorParallel(Spreading):
    """Cuts every matrix over the GPUs, which compute each batch together.

    They exchange activations twice a layer, in both directions: it takes fast links between them.
    """

    id = "tensor-parallel"
    summary = "every matrix cut up over --gpus, which compute each batch together"
    spreads = "model"
    scales = False

    def refuses(self, others: Sequence[Strategy]) -> str | None:
        """A packed weight is a row of bytes, which no plan can cut along its rows or columns."""
        for other in others:
            if quantises(other):
                return (
                    f"'{other.id}' and 'tensor-parallel' cannot be joined, as packed weights "
                    "cannot be cut up by rows and columns: write 'lora+4-bit+fsdp'."
                )
            if other.group == "adaptation" and other.id not in ("full", "lora"):
                return (
                    f"'{other.id}' was not tried with 'tensor-parallel': write "
                    "'lora+tensor-parallel' or 'full+tensor-parallel'."
                )
        return super().refuses(others)

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """Have every process load its part."""
        from transformers.distributed.configuration_utils import DistributedConfig

        return {"distributed_config": DistributedConfig(tp_size=settings.gpus)}

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Make adapters beside a part of a matrix what they are beside the whole.

        peft (0.21) makes the input matrix as wide as the part that is there, and calls it a part
        then. Its layer is left with the narrow width, by which transformers would cut its inputs,
        and its values with the spread that suits it: they are drawn anew, as a whole.
        """
        import torch

        for name, module in model.named_modules():
            weight: Any = getattr(module, "weight", None)
            if not hasattr(module, "in_features") or not hasattr(weight, "full_tensor"):
                continue
            module.out_features, module.in_features = weight.shape
            if ".lora_A." in name and any(p.is_shard() for p in weight.placements):
                whole = torch.empty(weight.shape)
                torch.nn.init.kaiming_uniform_(whole, a=math.sqrt(5))
                mesh = weight.device_mesh
                part = whole.chunk(mesh.size(), 1)[mesh.get_local_rank()]
                with torch.no_grad():
                    weight.to_local().copy_(part)
        return model
