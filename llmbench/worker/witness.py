"""Who looks on while a cell trains, and writes down what is to be seen."""

from __future__ import annotations

from typing import Any

from llmbench.record import Step
from llmbench.worker import effective
from llmbench.worker.anatomy import Anatomy
from llmbench.worker.running import Running
from llmbench.worker.train import Observer


class Witness(Observer):
    """Writes down every step, and looks once at the optimiser's states and at the memory."""

    def __init__(self, running: Running, optimizer: Any, recorded: int | None) -> None:
        """`recorded` is the step whose peak of memory is taken apart, if there is a GPU."""
        self._recorder = running.recorder
        self._meter = running.recorder.meter
        self._optimizer = optimizer
        self._anatomy = Anatomy(running.model, running.base, optimizer)
        self._recorded = recorded if self._meter.cuda else None
        self._number = 0

    def before_step(self, number: int) -> None:
        """Have the allocator write down the step that is taken apart."""
        self._number = number
        if number == self._recorded:
            self._anatomy.begin()

    def after_forward(self) -> None:
        """Memory is at its highest about now."""
        self._meter.sample()

    def before_clearing(self) -> None:
        """Take the step's peak apart while all that it is made of is there."""
        if self._number == self._recorded:
            self._meter.parts = self._anatomy.end()

    def after_step(self, step: Step) -> None:
        """Write the step down; after the first, the optimiser has its states."""
        self._recorder.step(step)
        if self._number == 0:
            self._recorder.observe(**effective.of_optimizer(self._optimizer))
            if self._meter.cuda:
                self._meter.paged_bytes = effective.paged_bytes(self._optimizer)
