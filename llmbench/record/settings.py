"""The settings that decide a cell's figures, shared by all cells of a comparison."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from llmbench.record.precision import PRECISIONS, Numerics

Precision = Literal[
    "fp32", "tf32", "bf16-mixed", "bf16-master", "bf16-stochastic", "bf16-true", "fp16-mixed"
]
Template = Literal["auto", "chat", "plain"]
Special = Literal["text", "tokens"]
Schedule = Literal["linear", "cosine", "constant"]


class Settings(BaseModel):
    """How one cell is trained and evaluated. Lengths are in tokens."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", allow_inf_nan=False)

    steps: int = Field(50, ge=1, description="Optimiser steps.")
    batch_size: int = Field(4, ge=1, description="Sequences per micro-batch.")
    accumulation: int = Field(1, ge=1, description="Micro-batches per optimiser step.")
    gpus: int = Field(
        1,
        ge=1,
        description="GPUs of a cell that has a way to use several, such as ddp; on a CPU, its "
        "processes. They share the micro-batches of a step.",
    )
    seq_len: int = Field(1024, ge=8, description="Longest training sequence, in tokens.")
    learning_rate: float = Field(
        2e-5, gt=0, description="Peak learning rate of full fine-tuning; adapters scale it."
    )
    lr_warmup_ratio: float = Field(
        0.1, ge=0, lt=1, description="Share of the steps over which the learning rate rises."
    )
    schedule: Schedule = Field("linear", description="How the learning rate falls after that.")
    optimizer: str = Field("adamw", description="Optimiser; a strategy may declare another.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decoupled weight decay.")
    max_grad_norm: float = Field(1.0, gt=0, description="Gradients are clipped to this norm.")
    precision: Precision = Field(
        "fp32",
        description="Types of weights, arithmetic, updates. On a GPU, bf16-stochastic by default.",
    )
    burn_in_steps: int = Field(
        4, ge=0, description="First steps that train but do not count towards the speed."
    )
    deterministic: bool = Field(
        False, description="Bit-identical results; slower, so no speed is reported."
    )
    template: Template = Field(
        "auto",
        description="How prompts are written: with the model's chat template, plainly, or as the "
        "model has a template or not.",
    )
    special_tokens: Special = Field(
        "text", description="What special tokens that stand in the data are: text, or tokens."
    )
    validation_examples: int = Field(
        64,
        ge=0,
        description="Most examples held out of the training data, a tenth of it at most, to see "
        "what is learnt; 0 for none.",
    )
    validations: int = Field(
        6, ge=1, description="How often the validation loss is measured while training."
    )
    eval_examples: int = Field(100, ge=1, description="Examples to evaluate.")
    eval_batch_size: int = Field(
        0,
        ge=0,
        description="Examples generated at a time, fewer where memory runs out. 0: 32, and on a "
        "GPU up to 128 if the model is small.",
    )
    decoding: Literal["eager", "graphs"] = Field(
        "eager",
        description="How predictions are decoded: with a cache that grows, or one of fixed size "
        "and CUDA graphs, which is faster where the host is slow.",
    )
    max_new_tokens: int = Field(128, ge=1, description="Longest prediction, in tokens.")

    @field_validator("precision", mode="before")
    @classmethod
    def _said_in_full(cls, value: Any) -> Any:
        if value in ("bf16", "fp16"):
            others = [name for name in PRECISIONS if name.startswith(f"{value}-")]
            raise ValueError(f"'{value}' means several things: write {' or '.join(others)}")
        return value

    @property
    def train_examples(self) -> int:
        """How many examples the steps take."""
        return self.steps * self.batch_size * self.accumulation

    @property
    def numerics(self) -> Numerics:
        """What the precision is made of."""
        return PRECISIONS[self.precision]


ADJUSTABLE = frozenset(
    {
        "learning_rate",
        "lr_warmup_ratio",
        "schedule",
        "optimizer",
        "weight_decay",
        "max_grad_norm",
        "precision",
    }
)
"""What a strategy may change. The rest is the same in every cell, or figures do not compare."""


def difference(before: Settings, after: Settings) -> dict[str, object]:
    """The settings of `after` that are not those of `before`."""
    old = before.model_dump()
    return {name: value for name, value in after.model_dump().items() if value != old[name]}
