"""The model of a cell and its evaluated examples, as a metric that looks at the model sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from llmbench.plugin import task
from llmbench.plugin.metric import Subject
from llmbench.plugin.scoring import Scored
from llmbench.worker.batch import collate
from llmbench.worker.running import Running
from llmbench.worker.train import forward_loss


class Evaluated(Subject):
    """A cell's model, asked an example at a time: no padding, and any architecture."""

    def __init__(self, running: Running, examples: Sequence[task.Example], known: Scored) -> None:
        self.model, self.tokenizer = running.model, running.tokenizer
        self.predictions, self.references = known.predictions, known.references
        self._running, self._examples = running, examples

    def losses(self, answers: Sequence[str]) -> list[tuple[float, int]]:
        """Summed cross entropy in nats and tokens of each example's answer, its end included."""
        pairs = zip(self._examples, answers, strict=True)
        self.model.eval()
        with torch.no_grad():
            return [self._loss(replace(e, references=(answer,))) for e, answer in pairs]

    def _loss(self, example: task.Example) -> tuple[float, int]:
        running = self._running
        assert running.encoder
        batch = collate([running.encoder.sequence(example)], running.pad)
        loss = forward_loss(self.model, batch.to(running.device)).item()
        return loss * batch.supervised_tokens, batch.supervised_tokens
