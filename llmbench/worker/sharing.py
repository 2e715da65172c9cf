"""A cell's model on several GPUs: spread before it is trained, gathered to be evaluated."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule

from llmbench.plugin.blame import blamed
from llmbench.plugin.strategy import Strategy
from llmbench.worker import guard, tensor
from llmbench.worker.running import Running


def distribute(running: Running) -> None:
    """Have a strategy distribute the model, if the cell has one that does."""
    model = running.stepping = running.model
    strategy = _spreading(running)
    if strategy is None or not running.job.cell.trains:
        return
    names = {n for n, p in model.named_parameters() if running.base.get(id(p)) is p}
    packed = {n: q for n, p in model.named_parameters() if (q := getattr(p, "quant_state", None))}
    mesh = init_device_mesh(running.device.type, (running.spread.ranks,))
    with blamed("strategy", strategy.id, "distribute"):
        running.stepping = guard.model(strategy.distribute(model, mesh))
    # Where weights are cut up, the model has other parameters by the same names now.
    weights = {id(p): p for n, p in model.named_parameters() if n in names}
    running.base = WeakValueDictionary(weights)
    for name, parameter in model.named_parameters():
        if name in packed and not hasattr(parameter, "quant_state"):
            parameter.quant_state = packed[name]


def settle(model: nn.Module) -> None:
    """Leave every rank its own part of a model that is cut up.

    A forward pass that no backward pass follows may leave whole weights in their places, which an
    optimiser would step to no effect.
    """
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def gather(running: Running) -> None:
    """Have every rank hold the whole model, as it did before it was spread."""
    strategy = _spreading(running)
    if strategy is not None and running.job.cell.trains:
        with blamed("strategy", strategy.id, "gather"):
            strategy.gather(running.model)


def to_save(running: Running) -> dict[str, Any]:
    """What `save_pretrained` needs: the weights of a gathered model as they are.

    Of one that is still cut up, the whole of each, which all ranks have to ask for.
    """
    if running.spread.ranks == 1:
        return {}
    model = running.model
    kept = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers())
    wholes = {id(of): tensor.whole(of) for of in kept.values()}  # tied ones stay tied
    return {"state_dict": {name: wholes[id(of)] for name, of in kept.items()}}


def _spreading(running: Running) -> Strategy | None:
    return next((s for s in running.strategies if s.spreads), None)
