"""Adapters that are no product of two matrices, and prompts that are trained."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from llmbench.plugin.strategy import CannotRun
from llmbench.record.settings import Settings
from llmbench_peft.method import PeftMethod

LINEAR = {"target_modules": "all-linear"}
BY_DISTANCE = frozenset({"bloom"})
"""Kinds of models that add a bias by the distance of two tokens, as many as the input has."""
WITHOUT_KEYS = frozenset({"falcon_mamba", "jamba", "mamba", "mamba2", "qwen3_next", "rwkv"})
"""Kinds of models with layers that have no attention."""


def refuse_by_distance(name: str, model: Any) -> None:
    """CannotRun where what peft puts before an input would have no place."""
    kind = model.config.model_type
    if kind in BY_DISTANCE:
        raise CannotRun(
            f"{name} does not go with models of the kind '{kind}', whose attention goes by the "
            "distance of tokens and counts none that peft puts before them: take lora."
        )


class Ia3(PeftMethod):
    """Vectors that scale keys, values and the feed-forward's inputs (Liu et al., 2022)."""

    id = "ia3"
    summary = "trained vectors that scale activations"
    peft_type = "ia3"

    learning_rate_factor: float = Field(
        100.0, gt=0, description="Learning rate as a multiple of full fine-tuning's."
    )

    def options(self, model: Any, settings: Settings) -> dict[str, Any]:
        """None: peft knows the modules of most architectures; CannotRun where it does not."""
        from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as KNOWN

        if model.config.model_type not in KNOWN:
            raise CannotRun(
                f"peft does not know where ia3 goes in models of the kind "
                f"'{model.config.model_type}': name the modules, as in peft(method=ia3,"
                "target_modules=k_proj|v_proj|down_proj,feedforward_modules=down_proj)."
            )
        return {}


class Vera(PeftMethod):
    """Random matrices that all layers share, and trained vectors (Kopiczko et al., 2023)."""

    id = "vera"
    summary = "shared random matrices, trained vectors"
    peft_type = "vera"

    r: int = Field(256, ge=1, description="Rank of the shared matrices.")
    learning_rate_factor: float = Field(
        100.0, gt=0, description="Learning rate as a multiple of full fine-tuning's."
    )

    def options(self, model: Any, settings: Settings) -> dict[str, Any]:
        """The rank, on all linear layers."""
        return {"r": self.r, **LINEAR}


class Oft(PeftMethod):
    """Weights turned by block-diagonal orthogonal matrices (Qiu et al., 2023)."""

    id = "oft"
    summary = "weights turned by orthogonal blocks"
    peft_type = "oft"

    block: int = Field(32, ge=2, description="Size of a block.")

    def options(self, model: Any, settings: Settings) -> dict[str, Any]:
        """The block's size, on all linear layers."""
        return {"oft_block_size": self.block, "use_cayley_neumann": True, **LINEAR}


class Boft(PeftMethod):
    """The same by butterfly factors (Liu et al., 2023). It cannot be put on quantised weights."""

    id = "boft"
    summary = "weights turned by butterfly factors of orthogonal blocks"
    peft_type = "boft"
    also_claims = frozenset({"quantization"})

    block: int = Field(4, ge=2, description="Size of a block; it must divide every layer's width.")

    def options(self, model: Any, settings: Settings) -> dict[str, Any]:
        """The block's size, on all linear layers."""
        return {"boft_block_size": self.block, **LINEAR}


class LoHa(PeftMethod):
    """The elementwise product of two low-rank products (Hyeon-Woo et al., 2021)."""

    id = "loha"
    summary = "an elementwise product of two low-rank products"
    peft_type = "loha"
    also_claims = frozenset({"quantization"})

    r: int = Field(8, ge=1, description="Rank of either product.")
    alpha: int = Field(16, ge=1, description="Scale of the adapters' output.")

    def options(self, model: Any, settings: Settings) -> dict[str, Any]:
        """Rank and scale, on all linear layers."""
        return {"r": self.r, "alpha": self.alpha, **LINEAR}


class LoKr(PeftMethod):
    """A Kronecker product with a low-rank factor (Yeh et al., 2023)."""

    id = "lokr"
    summary = "a Kronecker product with a low-rank factor"
    peft_type = "lokr"
    also_claims = frozenset({"quantization"})

    r: int = Field(16, ge=1, description="Rank of the second factor.")
    alpha: int = Field(32, ge=1, description="Scale of the adapters' output.")

    def options(self, model: Any, settings: Settings) -> dict[str, Any]:
        """Rank and scale, on all linear layers."""
        return {"r": self.r, "alpha": self.alpha, **LINEAR}


class LnTuning(PeftMethod):
    """Only the normalisation layers train (Zhao et al., 2023)."""

    id = "ln-tuning"
    summary = "trains the normalisation layers alone"
    peft_type = "ln_tuning"

    def options(self, model: Any, settings: Settings) -> dict[str, Any]:
        """The normalisation layers of this model, whatever they are called."""
        layers = [n for n, m in model.named_modules() if "norm" in type(m).__name__.lower()]
        return {"target_modules": layers}


class PromptTuning(PeftMethod):
    """Trained vectors in front of the input (Lester et al., 2021)."""

    id = "prompt-tuning"
    summary = "trained vectors in front of the input"
    peft_type = "prompt_tuning"

    tokens: int = Field(20, ge=1, description="How many vectors.")
    learning_rate_factor: float = Field(
        1000.0, gt=0, description="Learning rate as a multiple of full fine-tuning's."
    )

    def options(self, model: Any, settings: Settings) -> dict[str, Any]:
        """How many vectors; CannotRun where the model would not count their places."""
        refuse_by_distance(self.id, model)
        return {"num_virtual_tokens": self.tokens}

    def starts_elsewhere(self) -> str | None:
        """Untrained vectors in front are noise at first."""
        return "Its vectors stand in front of every input from the start, and are random at first."


class PrefixTuning(PeftMethod):
    """Trained keys and values in front of every layer's (Li and Liang, 2021)."""

    id = "prefix-tuning"
    summary = "trained keys and values in front of every layer's"
    peft_type = "prefix_tuning"
    also_claims = frozenset({"memory"})  # peft has no checkpointing with a prefix

    tokens: int = Field(20, ge=1, description="How many positions.")
    learning_rate_factor: float = Field(
        100.0, gt=0, description="Learning rate as a multiple of full fine-tuning's."
    )

    def options(self, model: Any, settings: Settings) -> dict[str, Any]:
        """How many positions; CannotRun where there are no keys and values to put them before."""
        refuse_by_distance(self.id, model)
        kind = model.config.model_type
        if kind in WITHOUT_KEYS:
            raise CannotRun(
                f"Layers of models of the kind '{kind}' keep a state, and no keys and values that "
                "a prefix could stand before: take prompt-tuning."
            )
        return {"num_virtual_tokens": self.tokens}

    def starts_elsewhere(self) -> str | None:
        """Untrained keys and values are noise at first."""
        return (
            "Its keys and values are seen by every token from the start, and are random at first."
        )
