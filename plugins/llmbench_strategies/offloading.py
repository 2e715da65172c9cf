"""Inputs of layers, kept by the host until their layers are computed again: worker code.

A checkpointed layer keeps its input alone (Chen et al., 2016, "Training Deep Nets with Sublinear
Memory Cost"), and a compiled one may keep little beside it. Here that input waits in the host's
memory, as in vDNN (Rhu et al., 2016): it leaves while later layers compute, and comes back while
the layer above goes backward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar
from weakref import ref

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint


def offload(model: Any) -> int:
    """Have the layers that transformers checkpoints keep their inputs on the host.

    Gives the number of those layers. The values stay the same to the bit.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers: list[Any] = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    become(layers, Host(checkpoint))
    for layer in layers:
        layer._gradient_checkpointing_func = directly  # it is checkpointed already
    # transformers has frozen embeddings give what needs a gradient, as reentrant checkpoints want
    # it. The graph would hold such an input of the first layer for its sake.
    model.disable_input_require_grads()
    return len(layers)


def offload_inputs(layers: Sequence[nn.Module]) -> None:
    """The same for layers that themselves compute again what they do not keep."""
    become(layers, Host(directly))


def directly(call: Callable[..., Any], *args: Any, **_: Any) -> Any:
    """The layer as it is, where it would be checkpointed."""
    return call(*args)


def become(layers: Sequence[nn.Module], host: Host) -> None:
    """Make the layers such whose inputs that host keeps."""
    kinds = {kind: offloaded_kind(kind, host) for kind in map(type, layers)}
    for layer in layers:
        layer.__class__ = kinds[type(layer)]


def offloaded_kind(kind: type, host: Host) -> type:
    """The class of a layer, checkpointed by that host.

    A class of its own, since compiled code, and in some versions of transformers the checkpoint,
    lies within a module's call: what is in a compiled layer could not be sent away apart.
    """
    return type(kind.__name__, (Offloaded, kind), {"host": host})


def has_offloaded(model: nn.Module) -> bool:
    """Whether an input of a layer was moved."""
    return any(m.host.used for m in model.modules() if isinstance(m, Offloaded))


class Offloaded(nn.Module):
    """A layer whose input waits on the host from its forward pass until it is computed again."""

    host: ClassVar[Host]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's output; the first argument is what it keeps."""
        call = partial(super().__call__, **kwargs)
        if self.training and torch.is_grad_enabled() and args and not decided_elsewhere():
            return self.host.checkpointed(call, *args)
        return call(*args)


def decided_elsewhere() -> bool:
    """Whether what is kept is decided around the layers, as in a pass that is not gone back from.

    Torch (2.8 to 2.13) tells this to those who know a name of its own.
    """
    hooks = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _: None)
    return hooks(True) is not None


class Host:
    """The buffers of a model's inputs, and the stream on which they come and go."""

    def __init__(self, run: Callable[..., Any] = checkpoint) -> None:
        """`run` calls a layer as `torch.utils.checkpoint.checkpoint` does."""
        self.run = run
        self.used = False
        self.free: list[Tensor] = []
        self.stream: torch.cuda.Stream | None = None
        self.latest: Callable[[], Kept | None] = lambda: None

    def checkpointed(self, call: Callable[..., Any], values: Tensor, *rest: Any) -> Any:
        """The output of a layer, to be computed again from values that the host keeps.

        Checkpointing saves its inputs as any operation saves tensors, and so can be given others in
        their place. What it saves beside the values is shared by all layers and stays.
        """
        address = values.data_ptr()  # the hooks outlive the values, and may not hold them

        def pack(tensor: Tensor) -> Tensor | Kept:
            movable = tensor.data_ptr() == address and tensor.is_contiguous()
            # The output of an operation, held by what goes backward from it, would never be freed.
            return self.keep(tensor) if movable else tensor.detach()

        with saved_tensors_hooks(pack, unpack):
            return self.run(call, values, *rest, use_reentrant=False)

    def keep(self, values: Tensor) -> Kept:
        """Send the values away; those of the layer before are gone by now."""
        self.used = True
        before = self.latest()
        if before is not None:
            before.leave()
        there = self.buffer(values.nbytes, pinned=values.is_cuda)
        kept = Kept(self, values.detach(), there, before)
        self.latest = ref(kept)
        return kept

    def buffer(self, size: int, pinned: bool) -> Tensor:
        """Bytes on the host, at least so many: those of an earlier step if they are enough.

        Pinning takes long. There are never more buffers than inputs that wait at a time: where none
        is large enough, a new one takes the place of another.
        """
        for number, buffer in enumerate(self.free):
            if len(buffer) >= size:
                return self.free.pop(number)
        if self.free:
            self.free.pop()
        return torch.empty(size, dtype=torch.uint8, pin_memory=pinned)

    def copy(self, target: Tensor, values: Tensor, device: torch.device) -> torch.cuda.Event | None:
        """Copy beside what the device computes, once it has what it was asked for before.

        All copies are on one stream, so that a buffer is not written before it was read.
        """
        if device.type != "cuda":
            target.copy_(values)
            return None
        if self.stream is None:
            self.stream = torch.cuda.Stream(device)
        self.stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self.stream):
            target.copy_(values, non_blocking=True)
            event: torch.cuda.Event = self.stream.record_event()
        return event


class Kept:
    """The input of a layer on the host, and on the device for as long as it is needed there.

    Both copies are made of memory of the stream that computes. That stream waits for a copy before
    the memory goes, and so can use it again at once, whatever the host has asked for ahead.
    """

    def __init__(self, host: Host, values: Tensor, buffer: Tensor, before: Kept | None) -> None:
        self.host, self.device = host, values.device
        self.before: Callable[[], Kept | None] = ref(before) if before else lambda: None
        self.here: Tensor | None = values
        self.buffer = buffer
        self.there = buffer[: values.nbytes].view(values.dtype).view(values.shape)
        self.copied = host.copy(self.there, values, self.device)

    def leave(self) -> None:
        """Let the device's memory go, once it was copied."""
        if self.copied is not None:
            torch.cuda.current_stream(self.device).wait_event(self.copied)
        self.here, self.copied = None, None

    def fetch(self) -> None:
        """Begin to bring the values back, unless they are there."""
        if self.here is None:
            self.here = torch.empty_like(self.there, device=self.device)
            self.copied = self.host.copy(self.here, self.there, self.device)

    def take(self) -> Tensor:
        """The values, on the device; those of the layer before, which is next, are on their way."""
        self.fetch()
        values = self.here
        assert values is not None
        self.leave()
        before = self.before()
        if before is not None:
            before.fetch()
        return values

    def __del__(self) -> None:
        """The graph let go of it: another layer, or the next step, can have the buffer."""
        self.leave()
        self.host.free.append(self.buffer)


def unpack(saved: Tensor | Kept) -> Tensor:
    """What checkpointing saved, as it was."""
    return saved.take() if isinstance(saved, Kept) else saved
