"""torchtune's own model with its own LoRA, trained by its own recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from packaging.version import Version
from pydantic import Field

from llmbench import hookimpl
from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings
from llmbench_strategies.lora import Lora

LLMBENCH_HOOKS = 1
TOO_NEW = "0.16"
"""Version of torchao that has no longer what torchtune imports from it."""


class Torchtune(Lora):
    """The modules and the loop of `tune run lora_finetune_single_device`, on llmbench's batches.

    Rank, scale and learning rate are those of `lora`, and so is where the adapters are.
    """

    id = "torchtune"
    summary = "LoRA by torchtune: its own modules, loss and training recipe"
    also_claims = frozenset(
        {"attention", "batches", "compilation", "memory", "parallelism", "quantization"}
    )
    packages = ("torchtune",)
    in_all = False

    checkpointing: bool = Field(
        False, description="Keep the input of each layer only, and compute the rest again."
    )
    compile: bool = Field(False, description="Compile the layers and the loss for training.")

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """It needs a package that no longer changes, and gradients in the model."""
        if find_spec("torchtune") is None:
            return "The package 'torchtune' is not installed: pip install llmbench-torchtune."
        if not goes_with_torchtune():
            return f"torchtune needs torchao before {TOO_NEW}: pip install 'torchao<{TOO_NEW}'."
        if self.targets != "all-linear":
            return "torchtune puts adapters beside all linear layers here: leave targets out."
        if settings.numerics.update == "master":
            return (
                "torchtune scales gradients in the model, where copies in fp32 have none: take "
                "another --precision than bf16-master."
            )
        return None

    def load(self, source: str, options: Mapping[str, Any], settings: Settings) -> Any:
        """The weights as transformers loads them, in the modules of torchtune."""
        from llmbench_torchtune import model

        lora = {"lora_rank": self.r, "lora_alpha": self.alpha, "lora_dropout": self.dropout}
        try:
            return model.loaded(source, options, lora)
        except model.Unknown as error:
            raise CannotRun(str(error)) from error

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze the model, and start the adapters anew with the cell's seed."""
        from llmbench_torchtune.model import adapted

        return adapted(model, self.checkpointing)

    def train(
        self,
        model: Any,
        steps: Sequence[Sequence[Mapping[str, Any]]],
        optimizer: Any,
        step: Callable[[Any], None],
        settings: Settings,
    ) -> None:
        """Let the recipe train."""
        from llmbench_torchtune.recipe import train

        train(model, steps, optimizer, step, settings, self.compile)


def goes_with_torchtune() -> bool:
    """Whether torchao is there, in a version that torchtune can import."""
    try:
        return Version(metadata.version("torchao")) < Version(TOO_NEW)
    except metadata.PackageNotFoundError:
        return False


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `torchtune`."""
    register(Torchtune)
