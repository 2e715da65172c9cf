"""Plugins in a worker: what one raises, or returns amiss, fails its cell and names it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

import torch

from llmbench.plugin.blame import Amiss, blamed, of_kind, wanted
from llmbench.plugin.probe import Probe
from llmbench.plugin.strategy import Strategy
from llmbench.worker.batch import Batch


def mapping(value: Any) -> Mapping[str, Any]:
    """Keyword arguments."""
    return dict(of_kind(value, Mapping, "a dictionary"))


def model(value: Any) -> torch.nn.Module:
    """A model."""
    made: torch.nn.Module = of_kind(value, torch.nn.Module, "a model")
    return made


def optimizer(value: Any) -> torch.optim.Optimizer | None:
    """An optimiser, or None."""
    return None if value is None else of_kind(value, torch.optim.Optimizer, "an optimiser")


def loss(value: Any) -> torch.Tensor | None:
    """A scalar that can be gone backward from where gradients are wanted, or None."""
    if value is None:
        return None
    checked: torch.Tensor = of_kind(value, torch.Tensor, "a loss")
    if checked.numel() != 1:
        raise Amiss(f"it returned {tuple(checked.shape)} numbers, not one loss")
    if torch.is_grad_enabled() and not checked.requires_grad:
        raise Amiss("it returned a loss without a graph to go backward from")
    return checked.reshape(())


def batch(inputs: Any, nonpadding_tokens: int) -> Batch:
    """What a model is to be called with, as a batch of examples of so many tokens."""
    tensors = mapping(inputs)
    for name, value in tensors.items():
        of_kind(value, torch.Tensor, f"tensors, as '{name}'")
    if not {"input_ids", "labels"} <= tensors.keys():
        raise Amiss(f"it returned {', '.join(tensors) or 'nothing'}, without input_ids or labels")
    ids, labels, mask = tensors["input_ids"], tensors["labels"], tensors.get("attention_mask")
    known = ("input_ids", "labels", "attention_mask")
    further = {name: value for name, value in tensors.items() if name not in known}
    return Batch(ids, labels, nonpadding_tokens, mask, further)


def share(value: Any) -> float | None:
    """A share of the learning rate, or None."""
    if value is None:
        return None
    checked = float(of_kind(value, int | float, "a share"))  # type: ignore[arg-type]
    if not math.isfinite(checked) or checked < 0:
        raise Amiss(f"it returned {checked}, which is no share of a learning rate")
    return checked


class Context(AbstractContextManager[None]):
    """A strategy's context around a training step; only what it does itself is its fault."""

    def __init__(self, strategy: Strategy) -> None:
        self._name = strategy.id
        with self._guarded():
            self._held: AbstractContextManager[Any] = of_kind(
                strategy.training(), AbstractContextManager, "a context"
            )

    def __enter__(self) -> None:
        with self._guarded():
            self._held.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with self._guarded():
                self._held.__exit__(kind, error, trace)
        except BaseException:
            if error is None:
                raise

    def _guarded(self) -> AbstractContextManager[None]:
        return blamed("strategy", self._name, "training")


class Watched(Probe):
    """A probe that is made when a cell first needs it, and named where it fails.

    A failure on leaving a phase is kept until the phase's other figures are safe.
    """

    summary = ""

    def __init__(self, name: str, make: Callable[[], Probe], device: str = "cpu") -> None:
        self._device = device
        self.id = name  # type: ignore[misc]
        self._make = make
        self._probe: Probe | None = None
        self._problem: BaseException | None = None

    def enter(self, phase: str) -> None:
        """Raise what went wrong before, or let the probe start."""
        self.settle()
        with blamed("probe", self.id, f"entering {phase}"):
            self._probe = self._probe or self._make()
            self._probe.enter(phase, **wanted(self._probe.enter, device=self._device))

    def after_step(self, number: int) -> None:
        """Tell the probe of a step."""
        assert self._probe
        with blamed("probe", self.id, "after_step"):
            self._probe.after_step(number)

    def leave(self, phase: str) -> dict[str, float | int | None]:
        """The probe's figures; none where it fails."""
        assert self._probe
        try:
            with blamed("probe", self.id, f"leaving {phase}"):
                figures = mapping(self._probe.leave(phase))
                return {str(k): _figure(v) for k, v in figures.items()}
        except Exception as error:
            self._problem = error
            return {}

    def settle(self) -> None:
        """Raise what went wrong on leaving a phase."""
        if self._problem:
            raise self._problem


def _figure(value: Any) -> float | int | None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None  # which says that it was not measured
    number: float | int = of_kind(value, int | float, "a number")  # type: ignore[arg-type]
    return number
