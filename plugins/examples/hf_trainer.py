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
OPTIONS |= {"remove_unused_columns": False}


class HfTrainer(Strategy):
    """What it costs beside llmbench's own loop, on the same batches with the same optimiser."""

    id = "hf-trainer"
    summary = "trained by transformers' Trainer instead of llmbench's loop"
    group = "training loop"
    arithmetic = False

    def train(self, model: Any, steps: Any, optimizer: Any, step: Any, settings: Settings) -> None:
        """Give the trainer each micro-batch as a row; its learning rate is llmbench's."""
        from torch.optim.lr_scheduler import LambdaLR
        from transformers import Trainer, TrainerCallback, TrainingArguments

        losses: list[Any] = []

        class Summed(Trainer):
            def training_step(self, *args: Any, **kwargs: Any) -> Any:
                losses.append(super().training_step(*args, **kwargs))
                return losses[-1]

        class Told(TrainerCallback):
            def on_step_end(self, *args: Any, **kwargs: Any) -> None:
                step(sum(losses).item())
                losses.clear()

        options = OPTIONS | {"use_cpu": model.device.type == "cpu", "max_steps": len(steps)}
        options |= {"gradient_accumulation_steps": settings.accumulation}
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(folder, max_grad_norm=settings.max_grad_norm, **options)
            data = {
                "train_dataset": [micro_batch for one in steps for micro_batch in one],
                "data_collator": lambda rows: rows[0],
                "optimizers": (optimizer, LambdaLR(optimizer, lambda number: 1.0)),
            }
            Summed(model, arguments, callbacks=[Told()], **data).train()


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `hf-trainer`."""
    register(HfTrainer)
