"""What watches a training for tests."""

from __future__ import annotations

from llmbench.worker import train


class Watcher(train.Observer):
    """Keeps the steps that it is told of."""

    def __init__(self) -> None:
        self.steps: list[train.Step] = []

    def after_step(self, step: train.Step) -> None:
        """Keep it."""
        self.steps.append(step)
