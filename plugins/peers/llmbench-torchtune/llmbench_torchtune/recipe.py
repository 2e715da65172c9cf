"""The loop of torchtune's recipe for LoRA on one device, as the package ships it. Worker."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torchtune
from torchtune.modules import TransformerSelfAttentionLayer
from torchtune.modules.loss import CEWithChunkedOutputLoss
from torchtune.training import DummyProfiler, compile_loss, compile_model

from llmbench.record.settings import Settings

NAME = "lora_finetune_single_device"


def train(
    model: Any,
    steps: Sequence[Sequence[Mapping[str, Any]]],
    optimizer: Any,
    step: Callable[[Any], None],
    settings: Settings,
    compiled: bool,
) -> None:
    """Have the recipe train: it is set up here as its configuration would set it up.

    Its logger is told the mean loss per token after every step, and that ends the step.
    """
    loss = CEWithChunkedOutputLoss()
    if compiled:
        compile_model(model.model)
        compile_loss(loss)
    recipe = object.__new__(kind())
    vars(recipe).update(
        _compile=False,  # done above
        _profiler=DummyProfiler(),
        profiler_profile_memory=False,
        epochs_run=0,
        total_epochs=1,
        max_steps_per_epoch=None,
        global_step=0,
        _steps_per_epoch=len(steps),
        _dataloader=Batches([inputs for one in steps for inputs in one]),
        _device=model.device,
        _model=model,
        _loss_fn=loss,
        activations_handling_ctx=nullcontext(),
        ignore_labels_cache=torch.full(
            (settings.batch_size, 1), loss.ignore_index, device=model.device
        ),
        _gradient_accumulation_steps=settings.accumulation,
        _clip_grad_norm=settings.max_grad_norm,
        _optimizer=optimizer,
        _lr_scheduler=SimpleNamespace(step=lambda: None),
        _log_every_n_steps=1,
        _log_peak_memory_stats=False,  # it would start the peaks of memory anew
        _metric_logger=SimpleNamespace(log_dict=lambda told, **_: step(told["loss"])),
        save_checkpoint=lambda epoch: None,
    )
    recipe.train()
    for module in model.modules():
        if isinstance(module, TransformerSelfAttentionLayer):
            module._compiled_call_impl = None  # evaluation has other lengths for every token


@cache
def kind() -> type:
    """The recipe's class; recipes lie beside the package, and are made to be run as scripts."""
    path = Path(torchtune.__file__).parents[1] / "recipes" / f"{NAME}.py"
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: type = module.LoRAFinetuneRecipeSingleDevice
    return found


class Batches:
    """Micro-batches in their order, as the recipe takes them from a loader."""

    def __init__(self, inputs: Sequence[Mapping[str, Any]]) -> None:
        self._inputs = inputs
        self.sampler = SimpleNamespace(set_epoch=lambda number: None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The first label of a text is predicted by nothing, and must not be counted."""
        for inputs in self._inputs:
            labels = inputs["labels"].clone()
            labels[:, 0] = -100
            yield {"tokens": inputs["input_ids"], "labels": labels}
