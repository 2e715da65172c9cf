"""Direct preference optimisation (Rafailov et al., 2023, arXiv 2305.18290), by TRL's trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings

IGNORED = -100
"""Label of a token that no loss is taken on."""


class Dpo(Strategy):
    """Trains an answer that was chosen to gain likelihood over one that was rejected.

    The reference is the model before its first step: with adapters a frozen copy of them, without
    a frozen copy of the whole model, which takes its memory. Its forward passes are timed with the
    rest, as TRL makes them in every step.

    The learning rate is a tenth of what the composition has without it: DPO moves a model further
    than cross entropy does at the same rate. It is not searched for, since the loss of validation
    is no measure of what DPO trains on.
    """

    id = "dpo"
    summary = "trained on preference pairs by TRL's DPO trainer, against the model as it was"
    group = "objective"
    objective = "DPO's loss, the mean over pairs"
    packages = ("trl",)
    in_all = False
    sets_learning_rate = True

    beta: float = Field(0.1, gt=0, description="How strongly it is held to the reference.")
    learning_rate_factor: float = Field(
        0.1, gt=0, description="Learning rate as a multiple of the one without it."
    )

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """Declare the lower learning rate."""
        rate = settings.learning_rate * self.learning_rate_factor
        return settings.model_copy(update={"learning_rate": rate})

    def refuses(self, others: Sequence[Strategy]) -> str | None:
        """TRL's trainer is run in one process."""
        spread = next((other.id for other in others if other.spreads), None)
        return f"'{self.id}' trains on one GPU: leave '{spread}' out." if spread else None

    def batches(self, examples: Sequence[Any], pad: int) -> Mapping[str, Any]:
        """A row for each chosen answer, and then one for each rejected one, padded on the right.

        `completion_mask` is 1 for an answer's tokens; the labels are those of the chosen ones.
        """
        import torch

        if examples[0].paired:
            raise CannotRun("TRL's DPO trainer takes no model with an encoder.")
        if not all(example.rejected for example in examples):
            raise CannotRun(
                "DPO needs a rejected answer in every example: take --task preference with data "
                "that have prompt, chosen and rejected."
            )
        chosen = [list(example.ids) for example in examples]
        rows = [*chosen, *(list(example.rejected[0]) for example in examples)]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
        answers = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            answers[number, examples[number % len(examples)].prompt : len(row)] = 1
        labels = ids.masked_fill(answers == 0, IGNORED)
        labels[len(examples) :] = IGNORED
        return {"input_ids": ids, "labels": labels, "completion_mask": answers}

    def loss(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        """The loss before the first step, when the model is its own reference: log 2 per pair."""
        import torch
        from torch.nn.functional import logsigmoid

        ids, answers = inputs["input_ids"], inputs["completion_mask"][:, 1:]
        logits = model(input_ids=ids, use_cache=False).logits[:, -ids.shape[1] :]
        tokens = logits[:, :-1].float().log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        gained = (tokens * answers).sum(1)
        better, worse = (gained - gained.detach()).chunk(2)
        return torch.mean(-logsigmoid(self.beta * (better - worse)))

    def train(
        self,
        model: Any,
        steps: Any,
        optimizer: Any,
        step: Any,
        settings: Settings,
        tokenizer: Any,
    ) -> None:
        """Give TRL's trainer the pairs; each step's clock holds the reference's passes as well."""
        from llmbench_dpo.loop import train

        train(self.beta, model, steps, optimizer, step, settings, tokenizer)
