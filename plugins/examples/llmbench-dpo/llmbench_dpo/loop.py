"""TRL's DPO trainer, driven with batches, optimiser and clock of llmbench. Worker alone."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from datasets import Dataset
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer

OPTIONS: dict[str, Any] = {
    "save_strategy": "no",
    "logging_strategy": "no",
    "report_to": [],
    "disable_tqdm": True,
    "train_sampling_strategy": "sequential",
    "remove_unused_columns": False,
    "per_device_train_batch_size": 1,
    "gradient_checkpointing": False,  # as the composition has it
    "bf16": False,
    "max_grad_norm": 0.0,  # clipped by `Told`
}


class Trainer(DPOTrainer):  # type: ignore[misc]
    """The trainer, on micro-batches that are made already; it tells its losses and nobody else."""

    loss_is_scaled_for_ga = False

    def __init__(self, *args: Any, autocast: torch.dtype | None, **kwargs: Any) -> None:
        self.losses: list[torch.Tensor] = []
        self._cast = autocast
        super().__init__(*args, **kwargs)

    def _prepare_dataset(self, dataset: Any, *args: Any) -> Any:
        return dataset

    def _send_telemetry(self) -> None:
        """Nothing is sent from here."""

    def compute_loss(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        """In the precision of the comparison: TRL's pass leaves out the model's own cast."""
        device = self.accelerator.device.type
        with torch.autocast(device, self._cast, enabled=self._cast is not None):
            return super().compute_loss(model, *args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Keep the loss, which is a micro-batch's share of the step's."""
        self.losses.append(super().training_step(*args, **kwargs))
        return self.losses[-1]


class Told(TrainerCallback):  # type: ignore[misc]
    """Clips and clears the gradients that the optimiser steps, and ends each of llmbench's steps.

    Its weights may be copies of the model's, whose own gradients are all that the trainer knows.
    """

    def __init__(self, optimizer: Any, step: Any, most: float) -> None:
        self.trainer: Any = None
        self._optimizer, self._step, self._most = optimizer, step, most

    def on_pre_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Clip to the norm over all weights."""
        weights = [p for group in self._optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(weights, self._most)

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Tell the mean over the step's pairs."""
        self._optimizer.zero_grad(set_to_none=True)
        self._step(sum(self.trainer.losses).item())
        self.trainer.losses.clear()


def train(
    beta: float,
    model: Any,
    steps: Sequence[Sequence[Any]],
    optimizer: Any,
    step: Any,
    settings: Any,
    tokenizer: Any,
) -> None:
    """Train for all steps. The first holds what setting up takes: it is one of those to burn in."""
    batches = [_as_trl(batch) for one in steps for batch in one]
    told = Told(optimizer, step, settings.max_grad_norm)
    cast = settings.numerics.autocast
    with tempfile.TemporaryDirectory() as folder, restored(model):
        arguments = DPOConfig(
            folder,
            beta=beta,
            max_steps=len(steps),
            gradient_accumulation_steps=settings.accumulation,
            use_cpu=model.device.type == "cpu",
            **OPTIONS,
        )
        told.trainer = Trainer(
            model,
            None if hasattr(model, "peft_config") else reference(model),
            arguments,
            data_collator=lambda rows: batches[rows[0]["number"]],
            train_dataset=Dataset.from_dict({"number": range(len(batches))}),
            processing_class=copy.deepcopy(tokenizer),
            optimizers=(optimizer, LambdaLR(optimizer, lambda number: 1.0)),
            callbacks=[told],
            autocast=cast and getattr(torch, cast),
        )
        told.trainer.train()


def _as_trl(batch: Any) -> dict[str, Any]:
    """The batch as the trainer has it. As in llmbench's own, no padding is masked: it comes behind
    all that is read, and without a mask every attention kernel can run.
    """
    kept = {name: value for name, value in batch.items() if name != "labels"}
    return kept | {"attention_mask": torch.ones_like(batch["input_ids"])}


def reference(model: Any) -> Any:
    """A frozen copy of the model, without what watches it and what casts its own passes."""
    watched = [(module, module._forward_hooks) for module in model.modules()]
    for module, hooks in watched:
        module._forward_hooks = type(hooks)()
    try:
        made = copy.deepcopy(model)
    finally:
        for module, hooks in watched:
            module._forward_hooks = hooks
    vars(made).pop("forward", None)
    return made.requires_grad_(False).eval()


@contextmanager
def restored(model: Any) -> Iterator[None]:
    """Leave of what TRL does to the model nothing but its weights: no pass or adapter of TRL's."""
    inner = model.get_base_model() if hasattr(model, "peft_config") else model
    forward = vars(inner).get("forward")
    padding = [(of, of.pad_token_id) for of in (model.config, model.generation_config)]
    try:
        yield
    finally:
        vars(inner).pop("forward", None)
        if forward is not None:
            inner.forward = forward
        for of, pad in padding:
            of.pad_token_id = pad
        if "ref" in getattr(model, "peft_config", {}):
            model.delete_adapter("ref")
