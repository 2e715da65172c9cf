"""A cell's training steps, run on the meta device."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.record import Cell, MemoryParts, ModelRef
from llmbench.record.settings import Settings
from llmbench.worker import architecture, batch, brought, checkpoint, coverage, load, tensor, train
from llmbench.worker.cell import prepared
from llmbench.worker.estimate import kernel, layers, narrow, patch
from llmbench.worker.estimate.kernel import as_on_gpu
from llmbench.worker.estimate.watch import Allocation, AllocationCount, Kind, Ledger
from llmbench.worker.running import training_context
from llmbench.worker.training import make_optimizer, quiet_collector

META = torch.device("meta")


def meta_model(
    source: str,
    ref: ModelRef,
    kwargs: dict[str, Any],
    strategies: Sequence[Strategy],
    gpus: int = 1,
) -> Any:
    """The architecture with the types that loading it with these arguments would give it.

    Of matrices that so many GPUs share, the parts of one of them.
    """
    config = architecture.config_of(source, ref)
    auto = architecture.class_of(config, ref.id)
    quantization = load.quantization_of(config, ref.id, kwargs, strategies)
    kwargs.pop(load.QUANTIZATION, None)
    kwargs.pop(load.DISTRIBUTED, None)
    if kwargs.get("attn_implementation") == "flash_attention_2":
        # The package's kernels want a GPU; torch's keep the same.
        kwargs["attn_implementation"] = "sdpa"
    with META:
        model = auto.from_config(config, trust_remote_code=ref.remote_code, **kwargs)
    if gpus > 1:
        load.check_plan(config, ref.id, gpus)
        narrow.narrow(model, gpus)
    return model if quantization is None else quantized(model, quantization)


def quantized(model: Any, quantization: Any) -> Any:
    """The model as transformers' quantiser for bitsandbytes leaves it."""
    from bitsandbytes import functional
    from transformers import BitsAndBytesConfig
    from transformers.quantizers.auto import AutoHfQuantizer

    if not isinstance(quantization, BitsAndBytesConfig):
        kind = architecture.kind_of(quantization)
        raise CannotRun(f"Memory of weights in {kind} is not predicted.")
    # It is cached where it is first asked for: on the meta device it would be of no use.
    functional.name2qmap.setdefault("dynamic", functional.create_dynamic_map())
    dtype = model.dtype
    quantizer = AutoHfQuantizer.from_config(quantization, pre_quantized=False)
    quantizer.preprocess_model(model, dtype=dtype, device_map={"": "meta"})
    for module in model.modules():
        pack(module, dtype)
    checkpoint.mend_packed(model)
    model.hf_quantizer = quantizer
    return quantizer.postprocess_model(model)


def pack(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Quantise a layer's weight with bitsandbytes' own code, which runs on meta tensors as well."""
    from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt

    if not isinstance(module, Linear4bit | Linear8bitLt):
        return
    weight: Any = module.weight
    weight.data = weight.data.to(dtype)
    weight._quantize(META)
    if module.bias is not None:
        module.bias.data = module.bias.data.to(dtype)


class Marker(train.Observer):
    """Says of gradients and states what they are, and sees what is held beside activations."""

    def __init__(self, watch: AllocationCount, model: Any, optimizer: Any) -> None:
        self._watch = watch
        self._model = model
        self._optimizer = optimizer
        self.floor_bytes = 0
        """What is held while the optimiser steps, whatever the batch."""

    def before_clearing(self) -> None:
        """The gradients are still there, and the states are from now on."""
        self._watch.mark(tensor.gradients(self._model, self._optimizer), "gradients")
        self._watch.mark(tensor.states(self._optimizer), "optimizer")
        self._watch.mark(tensor.copies(self._model, self._optimizer), "optimizer")
        ledger = self._watch.ledger
        self.floor_bytes = ledger.held_bytes - ledger.held("activations")


class Simulation:
    """One cell's model, prepared by its strategies, to be trained on batches of any shape."""

    def __init__(
        self,
        cell: Cell,
        strategies: Sequence[Strategy],
        environment: Environment,
        source: str,
        whole: bool = False,
    ) -> None:
        """`whole` has all layers run, whether they are equal or not."""
        if cell.settings.numerics.autocast and cell.trains:
            raise CannotRun("Memory under autocast is not predicted.")
        own = next(
            filter(None, (brought.bringer(strategies, w) for w in ("load", "batches", "train"))),
            None,
        )
        if own:
            raise CannotRun(f"Memory is not predicted of what '{own.id}' brings of its own.")
        self.cell = cell
        self.strategies = strategies
        self._int8 = kernel.Int8()
        self.watch = AllocationCount(Ledger(), kernel.instead(self._int8))
        self._capability = environment.compute_capability
        # The main thread multiplies matrices, and the thread of the backward pass does.
        threads = 2 if cell.trains else 1
        each = kernel.workspace_bytes(self._capability, cell.settings.deterministic)
        self.workspace_bytes = threads * each
        """What cuBLAS works in, which counts as activations."""
        self._optimizers: dict[int, Any] = {}
        self._states: dict[int, list[Allocation]] = {}
        """By the number of layers that they step; 0 stands for all."""
        self._added: list[torch.nn.Parameter] = []
        self.began = 0
        """The moment at which the last step began."""
        self.floor_bytes = 0
        """What training holds at its most at least, however small the batch; known after a peak."""
        with self._running():
            self.model = self._load(environment, source)
            self.parameters = coverage.count(self.model)
            if self.narrowed:
                self.model = None
                self._added.clear()
                gc.collect()
                self.model = self._load(environment, source, cell.settings.gpus)
        self._stack = None if whole else layers.stack_of(self.model, self._added)

    def peak(self, settings: Settings) -> MemoryParts:
        """What the peak is made of when training on full batches with these settings.

        Of many layers that are equal, it follows from few; where it does not, all are run.
        """
        with self._running():
            peak = self._of_few(settings) if self._stack is not None else None
            if peak is None:
                self._stack = None
                if 0 not in self._optimizers:  # those of few layers hold what no step of all does
                    self._optimizers.clear()
                    self._states.clear()
                    gc.collect()
                self._run(settings)
                peak = self.watch.ledger.at_peak()
        sizes = {f"{kind}_bytes": size for kind, size in peak.items()}
        sizes["activations_bytes"] = sizes.get("activations_bytes", 0) + self.workspace_bytes
        return MemoryParts(**{"weights_bytes": 0, **sizes})

    def _of_few(self, settings: Settings) -> Counter[Kind] | None:
        """What is held at the peak, as steps of few layers tell; None where they do not."""
        stack, ledger = self._stack, self.watch.ledger
        assert stack is not None
        weights: Counter[Kind] = Counter()
        weights.update({"weights": ledger.held("weights"), "adapter": ledger.held("adapter")})
        further = len(stack) - layers.FEWER
        for _ in range(2):  # what is made only once may have come in the way of the first
            traces, gradients = [], []
            for count in (layers.FEWER, layers.MORE):
                with layers.only(stack, count):
                    self._run(settings)
                states = layers.sizes(self._states.get(count, []))
                traces.append(layers.since(ledger, self.began, weights + states))
                begun = ledger.held_then(self.began)
                gradients.append(self.floor_bytes - begun.total() + begun["activations"])
            fewer, more = traces
            peak = layers.extended(fewer, more, len(stack))
            if peak is not None:
                base = layers.plus(fewer.base, more.base, further)
                self.floor_bytes = base.total() - base["activations"]
                self.floor_bytes += gradients[0] + further * (gradients[1] - gradients[0])
                return peak
        return None

    def _run(self, settings: Settings) -> None:
        """Take a step with the layers that there are."""
        ledger = self.watch.ledger
        ledger.reset_peak()
        self.began = ledger.moment
        if self.cell.trains:
            self._train(settings)
        else:
            train.first_loss(self.model, self._batches(settings)[0][0])

    def _train(self, settings: Settings) -> None:
        ledger = self.watch.ledger
        with patch.paging():
            count = len(self._stack) if self._stack is not None else 0
            if count not in self._optimizers:
                before = set(ledger.all())
                self._optimizers[count] = self._with_states(settings)
                ledger.reset_peak()
                self._states[count] = [a for a in ledger.all() if a not in before]
                self.began = ledger.moment
            optimizer = self._optimizers[count]
            marker = Marker(self.watch, self.model, optimizer)
            context = partial(training_context, self.strategies)
            batches = self._batches(settings)
            loss = brought.loss(self.strategies)
            train.train(self.model, optimizer, batches, settings, context, marker, loss)
        self.floor_bytes = marker.floor_bytes + self.workspace_bytes

    def _with_states(self, settings: Settings) -> Any:
        """The optimiser after a first step, in which it makes its states; later ones are alike."""
        optimizer = make_optimizer(self.model, self.strategies, settings)
        for weight in train.stepped(optimizer):
            weight.grad = torch.empty_like(weight)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return optimizer

    def _batches(self, settings: Settings) -> list[list[batch.Batch]]:
        # From the second micro-batch of a step on there are gradients to add to: no more to see.
        accumulation = min(2, settings.accumulation)
        wanted = settings.model_copy(update={"steps": 1, "accumulation": accumulation})
        return batch.random_steps(self.model, wanted, self.cell.seed)

    def _load(self, environment: Environment, source: str, gpus: int = 1) -> Any:
        kwargs = load.load_kwargs(self.cell.settings, environment, self.strategies)
        self.loaded_bytes = loaded_bytes(kwargs)
        self.narrowed = load.DISTRIBUTED in kwargs
        """Whether each GPU has a part of every matrix, by transformers' plan."""
        model = meta_model(source, self.cell.model, kwargs, self.strategies, gpus)
        if self.cell.model.weights != "pretrained":
            self._int8.outliers = kernel.of_random(model)
        base = tensor.base_of(model)
        model = prepared(model, self.strategies, self.cell.settings)
        self.watch.mark_all("weights")
        ours, added = tensor.split(model, base)
        self._added += added
        self.watch.mark(self._added, "adapter")
        if gpus == 1:
            self.base_parameters = sum(map(coverage.elements, ours))
        return model

    @contextmanager
    def _running(self) -> Iterator[None]:
        with (
            quiet_collector(),
            patch.kernels_on_meta(),
            as_on_gpu(self._capability),
            self.watch,
        ):
            yield


def loaded_bytes(kwargs: Mapping[str, Any]) -> float:
    """Bytes of a parameter in the type that these arguments load it in, scales left out."""
    quantization = kwargs.get("quantization_config")
    if getattr(quantization, "load_in_4bit", False):
        return 0.5
    if getattr(quantization, "load_in_8bit", False):
        return 1.0
    return float(kwargs["dtype"].itemsize)
