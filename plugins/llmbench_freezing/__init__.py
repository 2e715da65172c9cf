"""Strategies that train a part of the model's own weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import Field

from llmbench import hookimpl
from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings


class BitFit(Strategy):
    """Only biases train (Ben Zaken et al., 2021); a model without any is refused."""

    id = "bitfit"
    summary = "trains the biases alone"
    group = "adaptation"
    in_all = False

    learning_rate_factor: float = Field(
        10.0, gt=0, description="Learning rate as a multiple of full fine-tuning's."
    )

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """Declare the higher learning rate."""
        rate = settings.learning_rate * self.learning_rate_factor
        return settings.model_copy(update={"learning_rate": rate})

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze all but the biases."""
        return keep(model, lambda name: name.endswith("bias"), "biases")


class LastLayers(Strategy):
    """The last layers train, with the last normalisation and an output layer of its own."""

    id = "last-layers"
    summary = "trains the last layers, the others frozen"
    group = "adaptation"
    also_claims = frozenset({"quantization"})
    in_all = False

    n: int = Field(2, ge=1, description="How many layers.")

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze all that comes before them."""
        inner = model.get_decoder()
        layers = next(name for name, m in inner.named_children() if len(list(m.children())) > 1)
        count = len(getattr(inner, layers))
        if self.n > count:
            raise CannotRun(f"The model has {count} layers: last-layers(n={self.n}) asks for more.")
        kept = [f".{layers}.{number}." for number in range(count - self.n, count)]
        norm = [n for n, m in inner.named_children() if "norm" in type(m).__name__.lower()]
        ends = [f".{name}." for name in norm]
        return keep(model, lambda name: any(part in name for part in (*kept, *ends)), "layers")


class FreezeEmbeddings(Strategy):
    """Joined with `full`: all trains but the embeddings, which a short training hardly moves."""

    id = "freeze-embeddings"
    summary = "does not train the embeddings"
    group = "embeddings"
    in_all = False

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze input and output embeddings."""
        for module in (model.get_input_embeddings(), model.get_output_embeddings()):
            if module is not None:
                module.requires_grad_(False)
        return model


def keep(model: Any, trained: Callable[[str], bool], what: str) -> Any:
    """The model with all frozen but the weights of such names; CannotRun where there are none."""
    some = False
    for name, parameter in model.named_parameters():
        trains = trained(name) and parameter.is_floating_point()
        parameter.requires_grad_(trains)
        some = some or trains
    if not some:
        raise CannotRun(f"The model has no {what} to train.")
    return model


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer them."""
    for strategy in (BitFit, LastLayers, FreezeEmbeddings):
        register(strategy)
