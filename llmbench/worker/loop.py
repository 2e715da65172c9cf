"""A training loop that a strategy brings, on the harness's batches and by the harness's clock."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from llmbench.plugin.blame import Amiss, blamed, of_kind, wanted
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.record import Step
from llmbench.record.settings import Settings
from llmbench.worker import architecture
from llmbench.worker.batch import Batch
from llmbench.worker.train import Context, Diverged, Observer, Share, synchronize


def train(
    own: Strategy,
    model: Any,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Sequence[Batch]],
    settings: Settings,
    context: Context,
    observer: Observer,
    share_of_rate: Share,
    tokenizer: Any = None,
) -> None:
    """Have the strategy train, and hold it to what it is given: see `Strategy.train`.

    The observer is told what it would be told by the harness's own loop. Raises Diverged likewise.
    """
    if settings.numerics.scales_loss:
        raise CannotRun(
            f"'{own.id}' trains in a loop of its own, in which nobody scales the loss: take "
            f"another --precision than {settings.precision}."
        )
    clock = Clock(model, optimizer, batches, context, observer, share_of_rate)
    model.train()
    with clock.watching(), blamed("strategy", own.id, "train"):
        offered = wanted(
            own.train,
            model=model,
            steps=[[b.inputs for b in step] for step in batches],
            optimizer=optimizer,
            step=clock.step,
            settings=settings,
            tokenizer=tokenizer,
        )
        own.train(**offered)
        if clock.number < len(batches):
            raise Amiss(f"it took {clock.number} steps of {len(batches)}")


class Clock:
    """Measures the steps of somebody's loop, from one call of `step` to the next."""

    def __init__(
        self,
        model: Any,
        optimizer: torch.optim.Optimizer,
        batches: Sequence[Sequence[Batch]],
        context: Context,
        observer: Observer,
        share_of_rate: Share,
    ) -> None:
        self.number = 0
        """Steps that have ended."""
        self._model, self._optimizer = model, optimizer
        self._device = next(model.parameters()).device
        self._batches, self._observer = batches, observer
        self._context, self._share = context, share_of_rate
        self._peaks = [float(group["lr"]) for group in optimizer.param_groups]
        self._held = ExitStack()
        self._runs = False
        self._seen = self._stepped = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See what the loop does with the model and the optimiser; the first step begins."""
        hooks = [
            *(m.register_forward_hook(self._count) for m in architecture.embeddings(self._model)),
            self._model.register_forward_hook(self._forward),
            self._optimizer.register_step_pre_hook(self._set_rate),
            self._optimizer.register_step_post_hook(self._after_update),
        ]
        try:
            self._begin()
            yield
        finally:
            self._runs = False
            self._held.close()
            for hook in hooks:
                hook.remove()

    def step(self, loss: Any) -> None:
        """End a step: the clock stops, what it did is looked at, and the next one begins."""
        if not self._runs:
            raise Amiss(f"it calls step more often than the {len(self._batches)} times planned")
        synchronize(self._device)
        seconds = time.perf_counter() - self._started
        self._runs = False
        self._held.close()
        mean, batches = number(loss), self._batches[self.number]
        nonpadding = sum(b.nonpadding_tokens for b in batches)
        self._hold_to(nonpadding)
        made = Step(
            seconds=seconds,
            loss=mean if math.isfinite(mean) else None,
            learning_rate=self._peaks[0] * self._share(self.number),
            supervised_tokens=sum(b.supervised_tokens for b in batches),
            nonpadding_tokens=nonpadding,
            padded_tokens=self._seen,
        )
        self.number += 1
        self._observer.after_step(made)
        if not math.isfinite(mean):
            raise Diverged(f"The training loss became {mean}: try a lower learning rate.")
        if self.number < len(self._batches):
            self._begin()

    def _begin(self) -> None:
        self._seen = self._stepped = 0
        self._observer.before_step(self.number)
        self._held.enter_context(self._context())
        synchronize(self._device)
        self._runs = True
        self._started = time.perf_counter()

    def _hold_to(self, nonpadding: int) -> None:
        """Amiss where the loop did not do the step that it says it did."""
        which = f"its step {self.number + 1}"
        if self._seen < nonpadding:
            raise Amiss(
                f"{which} put {self._seen} tokens through the model where its examples have "
                f"{nonpadding}"
            )
        if self._stepped != 1:
            raise Amiss(f"{which} stepped the optimiser {self._stepped} times, not once")

    def _count(self, module: Any, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
        if self._runs and torch.is_grad_enabled():
            self._seen += inputs[0].numel()

    def _forward(self, *_: Any) -> None:
        if self._runs:
            self._observer.after_forward()

    def _set_rate(self, *_: Any) -> None:
        """Whatever the loop has made of it: the schedule is the comparison's."""
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * self._share(self.number)

    def _after_update(self, *_: Any) -> None:
        self._stepped += 1
        self._observer.before_clearing()


def number(loss: Any) -> float:
    """A loss that a loop tells, as a number or a scalar with or without a graph."""
    if isinstance(loss, torch.Tensor) and loss.numel() == 1:
        return float(loss.detach())
    value: float = of_kind(loss, int | float, "a loss")  # type: ignore[arg-type]
    return value
