"""Sharded data parallelism (Rajbhandari et al., 2020; Zhao et al., 2023), torch's FSDP2."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Cut, Strategy
from llmbench.record.settings import Settings
from llmbench_parallel.spreading import Spreading


class Fsdp(Spreading):
    """Every GPU keeps a part of each weight, of its gradient and of its optimiser states.

    A layer's weights are gathered when it runs, and let go after it: `full` also between the
    forward and the backward pass, `grad_op` not. `hybrid` shards within each half of the GPUs and
    replicates over the two.
    """

    id = "fsdp"
    summary = "weights, gradients and states cut up over --gpus, gathered layer by layer (FSDP2)"
    spreads = "data"
    saves_memory = ""
    scales = False

    shard: Literal["full", "grad_op", "hybrid"] = Field(
        "full", description="What is given up between passes: full, grad_op or hybrid."
    )

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Half of the GPUs has to be several."""
        if self.shard == "hybrid" and (settings.gpus < 4 or settings.gpus % 2):
            return f"fsdp(shard=hybrid) takes 4 GPUs or another even number, not {settings.gpus}."
        return super().skip(settings, environment)

    def refuses(self, others: Sequence[Strategy]) -> str | None:
        """LLM.int8() keeps scales beside its weights, which would not be cut up with them."""
        if any(other.id == "8-bit" for other in others):
            return (
                "'8-bit' and 'fsdp' cannot be joined, as weights in LLM.int8() cannot be cut up: "
                "write 'lora+8-bit+ddp' or 'lora+4-bit+fsdp'."
            )
        return super().refuses(others)

    def distribute(self, model: Any, mesh: Any) -> Any:
        """Cut up every decoder layer by itself, and then the rest."""
        from torch.distributed.fsdp import fully_shard

        if any(not p.is_floating_point() for p in model.parameters()):
            raise CannotRun("FSDP cuts up weights of floating point alone, and some here are not.")
        options = {"mesh": self._mesh(mesh), "reshard_after_forward": self.shard != "grad_op"}
        for layer in layers(model):
            fully_shard(layer, **options)
        return fully_shard(model, **options)

    def cut(self, model: Any, settings: Settings) -> Cut:
        """Into a part for each GPU, or each of half of them."""
        parts = settings.gpus // 2 if self.shard == "hybrid" else settings.gpus
        return Cut(parts, layers(model), regathers=self.shard != "grad_op")

    def gather(self, model: Any) -> None:
        """Gather every weight for good."""
        from torch.distributed.fsdp import FSDPModule

        for module in model.modules():
            if isinstance(module, FSDPModule):
                module.set_reshard_after_forward(False, recurse=False)
                module.unshard()

    def _mesh(self, mesh: Any) -> Any:
        from torch.distributed.device_mesh import init_device_mesh

        if self.shard != "hybrid":
            return mesh
        shape = (2, mesh.size() // 2)
        return init_device_mesh(mesh.device_type, shape, mesh_dim_names=("replicate", "shard"))


def layers(model: Any) -> list[Any]:
    """The decoder layers: modules of the classes that transformers does not split."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    names = set(getattr(base, "_no_split_modules", None) or ())
    return [m for m in base.modules() if type(m).__name__ in names]
