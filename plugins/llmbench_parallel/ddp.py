"""Data parallelism (Li et al., 2020): a whole model on every GPU, gradients averaged."""

from typing import Any

from llmbench_parallel.spreading import Spreading


class Ddp(Spreading):
    """Every GPU trains a replica on its part of a step's micro-batches."""

    id = "ddp"
    summary = "a whole model on each of --gpus, which share the micro-batches of a step"
    spreads = "data"

    def distribute(self, model: Any, mesh: Any) -> Any:
        """Wrap it so that gradients are averaged while the backward pass goes on."""
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(
            model,
            device_ids=[0] if mesh.device_type == "cuda" else None,
            process_group=mesh.get_group(),
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
        )
