"""Optimisers as strategies of their own: `full+adamw-8bit`, `lora+lion`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import Any

from pydantic import Field

from llmbench import hookimpl
from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench_optimizers.matrices import parted


class Optimizer(Strategy):
    """Base: an optimiser that is declared under its id, with a learning rate to suit it."""

    group = "optimizer"
    in_all = False

    learning_rate_factor: float = Field(
        1.0, gt=0, description="Learning rate as a multiple of AdamW's."
    )

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """Declare the optimiser and its rate."""
        rate = settings.learning_rate * self.learning_rate_factor
        return settings.model_copy(update={"optimizer": self.id, "learning_rate": rate})


class AdamW8bit(Optimizer):
    """AdamW with states in 8 bits, by blocks (Dettmers et al., 2021), through bitsandbytes."""

    id = "adamw-8bit"
    summary = "AdamW whose states take 8 bits each"

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any:
        """The optimiser of bitsandbytes."""
        from bitsandbytes.optim.adamw import AdamW8bit as Made

        return Made(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


class PagedAdamW8bit(Optimizer):
    """The same, with states that CUDA moves to the host where the device is full."""

    id = "paged-adamw-8bit"
    summary = "8-bit AdamW whose states move to the host where the GPU is full"

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """On a CPU there is nothing to page."""
        if environment.device != "cuda":
            return "paged-adamw-8bit needs a GPU: on a CPU there is nothing to page."
        return None

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any:
        """The optimiser of bitsandbytes."""
        from bitsandbytes.optim.adamw import PagedAdamW8bit as Made

        return Made(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


class Adafactor(Optimizer):
    """Second moments in rows and columns, no first moment (Shazeer and Stern, 2018)."""

    id = "adafactor"
    summary = "second moments by rows and columns, no first moment"

    learning_rate_factor: float = Field(
        10.0, gt=0, description="Learning rate as a multiple of AdamW's."
    )

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any:
        """Torch's."""
        from torch.optim import Adafactor as Made

        return Made(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


class Lion(Optimizer):
    """The sign of a moment (Chen et al., 2023), through bitsandbytes, at a tenth of the rate."""

    id = "lion"
    summary = "steps by the sign of one moment"

    learning_rate_factor: float = Field(
        0.1, gt=0, description="Learning rate as a multiple of AdamW's."
    )

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any:
        """The optimiser of bitsandbytes."""
        from bitsandbytes.optim.lion import Lion as Made

        return Made(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)


class Sgd(Optimizer):
    """Stochastic gradient descent, with momentum if asked."""

    id = "sgd"
    summary = "gradient descent, without states unless it has momentum"

    momentum: float = Field(0.0, ge=0, lt=1, description="Momentum; 0 keeps no state.")
    learning_rate_factor: float = Field(
        1000.0, gt=0, description="Learning rate as a multiple of AdamW's."
    )

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any:
        """Torch's."""
        from torch.optim import SGD

        rate, decay = settings.learning_rate, settings.weight_decay
        return SGD(parameters, lr=rate, momentum=self.momentum, weight_decay=decay)


class Muon(Optimizer):
    """Orthogonalised momentum for matrices (Jordan et al., 2024), AdamW for the rest.

    Scaled as Liu et al. (2025, Moonlight) do, so that AdamW's learning rates suit it.
    """

    id = "muon"
    summary = "orthogonalised momentum for matrices, AdamW for the rest"

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Torch has it from version 2.9 on."""
        version = tuple(int(n) for n in environment.versions.get("torch", "0.0").split(".")[:2])
        return None if version >= (2, 9) else "muon needs torch 2.9: pip install -U torch."

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any:
        """One optimiser that steps with both."""
        from llmbench_optimizers.muon import MuonWithAdamW

        return MuonWithAdamW(named, lr=settings.learning_rate, weight_decay=settings.weight_decay)


class Galore(Optimizer):
    """AdamW on gradients projected to a low rank (Zhao et al., 2024): package galore-torch."""

    id = "galore"
    summary = "AdamW on gradients of low rank"

    r: int = Field(128, ge=1, description="Rank of the projection.")
    every: int = Field(200, ge=1, description="Steps between two projections.")
    scale: float = Field(0.25, gt=0, description="Scale of the projected update.")

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """It is a package of its own."""
        if find_spec("galore_torch") is None:
            return "galore needs the package galore-torch: pip install galore-torch."
        return None

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any:
        """Matrices of the layers are projected; embeddings, vectors and the head are not."""
        from galore_torch import GaLoreAdamW

        low = {"rank": self.r, "update_proj_gap": self.every, "scale": self.scale}
        return projected(GaLoreAdamW, settings, named, **low)


class Apollo(Optimizer):
    """AdamW-like scales from random projections (Zhu et al., 2024): package apollo-torch."""

    id = "apollo"
    summary = "learning rates per channel from a random projection of the gradients"

    r: int = Field(128, ge=1, description="Rank of the projection.")
    every: int = Field(200, ge=1, description="Steps between two projections.")

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """It is a package of its own."""
        if find_spec("apollo_torch") is None:
            return "apollo needs the package apollo-torch: pip install apollo-torch."
        return None

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any:
        """Matrices of the layers are projected; embeddings, vectors and the head are not."""
        from apollo_torch import APOLLOAdamW

        low = {"rank": self.r, "update_proj_gap": self.every, "scale": 1.0}
        return projected(APOLLOAdamW, settings, named, proj="random", scale_type="channel", **low)


def projected(kind: Any, settings: Settings, named: Mapping[str, Any], **low: Any) -> Any:
    """An optimiser that projects the matrices of layers; not embeddings, head and vectors."""
    chosen, rest = parted(named)
    groups = [{"params": rest}, {"params": chosen, "proj_type": "std", **low}]
    return kind(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)


OPTIMIZERS: tuple[type[Optimizer], ...] = (
    AdamW8bit,
    PagedAdamW8bit,
    Adafactor,
    Lion,
    Sgd,
    Muon,
    Galore,
    Apollo,
)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer all of them."""
    for optimizer in OPTIMIZERS:
        register(optimizer)
