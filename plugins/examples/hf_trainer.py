"""A training loop of one's own: transformers' Trainer, on which TRL's trainers are built."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings

LLMBENCH_HOOKS = 1
OPTIONS = {"save_strategy": "no", "logging_strategy": "no", "report_to": [], "disable_tqdm": True}
OPTIONS |= {"per_device_train_batch_size": 1, "train_sampling_strategy": "sequential"}
OPTIONS |= {"remove_unused_columns": False, "max_grad_norm": 0.0}  # clipped by `Told`


class HfTrainer(Strategy):
    """What it costs beside llmbench's own loop, on the same batches with the same optimiser."""

    id = "hf-trainer"
    summary = "trained by transformers' Trainer instead of llmbench's loop"
    group = "training loop"
    arithmetic = False

    def train(self, model: Any, steps: Any, optimizer: Any, step: Any, settings: Settings) -> None:
        """Clip and clear what the optimiser steps, which may be copies that no trainer knows of."""
        from torch.nn.utils import clip_grad_norm_
        from transformers import Trainer, TrainerCallback, TrainingArguments

        losses: list[Any] = []
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]

        class Summed(Trainer):
            def training_step(self, *args: Any, **kwargs: Any) -> Any:
                losses.append(super().training_step(*args, **kwargs))
                return losses[-1]

        class Told(TrainerCallback):
            def on_pre_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
                clip_grad_norm_(weights, settings.max_grad_norm)

            def on_step_end(self, *args: Any, **kwargs: Any) -> None:
                optimizer.zero_grad()
                step(sum(losses).item())
                losses.clear()

        options = OPTIONS | {"use_cpu": model.device.type == "cpu", "max_steps": len(steps)}
        rows = [micro_batch for one in steps for micro_batch in one]
        own = {"callbacks": [Told()], "optimizers": (optimizer, None)}
        with tempfile.TemporaryDirectory() as folder:
            given = TrainingArguments(folder, gradient_accumulation_steps=len(steps[0]), **options)
            Summed(model, given, lambda taken: taken[0], rows, **own).train()


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `hf-trainer`."""
    register(HfTrainer)
