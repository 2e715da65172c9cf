"""TRL's SFTTrainer as a training loop: its forward pass, its loss and its bookkeeping."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from llmbench import hookimpl
from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings

LLMBENCH_HOOKS = 1
OPTIONS: dict[str, Any] = {
    "per_device_train_batch_size": 1,  # a row of the data is a micro-batch
    "train_sampling_strategy": "sequential",
    "remove_unused_columns": False,
    "dataset_kwargs": {"skip_prepare_dataset": True},
    "gradient_checkpointing": False,  # it is on by default; a strategy of its own here
    "max_grad_norm": 0.0,  # clipped by `Told`
    "save_strategy": "no",
    "logging_strategy": "no",
    "report_to": [],
    "disable_tqdm": True,
}


class TrlSft(Strategy):
    """Joined with any way of adapting: `lora+trl-sft`, or `full+trl-sft`."""

    id = "trl-sft"
    summary = "trained by TRL's SFTTrainer instead of llmbench's loop"
    group = "training loop"
    arithmetic = False
    packages = ("trl",)
    in_all = False

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """It is TRL's alone."""
        if find_spec("trl") is None:
            return "The package 'trl' is not installed: pip install llmbench-trl."
        return None

    def train(
        self,
        model: Any,
        steps: Sequence[Sequence[Mapping[str, Any]]],
        optimizer: Any,
        step: Callable[[Any], None],
        settings: Settings,
    ) -> None:
        """Give the trainer each micro-batch as a row, and llmbench's optimiser."""
        import torch
        from datasets import Dataset
        from torch.optim.lr_scheduler import LambdaLR
        from transformers import TrainerCallback
        from trl import SFTConfig, SFTTrainer

        losses: list[Any] = []
        weights = [w for group in optimizer.param_groups for w in group["params"]]
        given = [(w, w.data) for w in model.parameters() if w.requires_grad]
        micro_batches = [inputs for one in steps for inputs in one]

        class Summed(SFTTrainer):  # type: ignore[misc, unused-ignore]
            def training_step(self, *args: Any, **kwargs: Any) -> Any:
                losses.append(super().training_step(*args, **kwargs))
                return losses[-1]

        class Told(TrainerCallback):  # type: ignore[misc, unused-ignore]
            """Sees to the optimiser's weights, which may be copies of the model's in fp32."""

            def on_pre_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
                torch.nn.utils.clip_grad_norm_(weights, settings.max_grad_norm)

            def on_step_end(self, *args: Any, **kwargs: Any) -> None:
                optimizer.zero_grad(set_to_none=True)
                step(sum(losses).item())
                losses.clear()

        with tempfile.TemporaryDirectory() as folder:
            trainer = Summed(
                model,
                SFTConfig(folder, **OPTIONS, **options(model, len(steps), settings)),
                train_dataset=Dataset.from_dict({"number": list(range(len(micro_batches)))}),
                data_collator=lambda rows: row(micro_batches[rows[0]["number"]]),
                processing_class=words(),
                callbacks=[Told()],
                optimizers=(optimizer, LambdaLR(optimizer, lambda number: 1.0)),
            )
            for weight, data in given:  # which it rounds to bf16 beside a quantised model
                weight.data = data
            trainer.processing_class = None  # the model would be given its end of text
            trainer.train()


def options(model: Any, steps: int, settings: Settings) -> dict[str, Any]:
    """What the comparison's settings are in TRL's words."""
    return {
        "max_steps": steps,
        "gradient_accumulation_steps": settings.accumulation,
        "bf16": settings.numerics.autocast == "bfloat16",
        "use_cpu": model.device.type == "cpu",
    }


def row(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A micro-batch as TRL's trainer takes it.

    It asks for a mask, which llmbench leaves out as padding stands on the right, where no token
    sees it; and it counts the first labels, which nothing predicts, unless they are -100.
    """
    import torch

    labels = inputs["labels"].clone()
    labels[:, 0] = -100
    mask = {} if "position_ids" in inputs else {"attention_mask": torch.ones_like(labels)}
    return {**mask, **inputs, "labels": labels}


def words() -> Any:
    """A tokenizer, without which it does not start; llmbench writes the tokens."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", eos_token="<unk>")


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `trl-sft`."""
    register(TrlSft)
