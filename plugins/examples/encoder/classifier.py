"""A model that reads a text and says which of a few labels it has: any encoder of transformers.

It writes no text, and says so: llmbench then takes its loss and asks it through metrics alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import ModelOutput

UNSEEN = -100
"""What a batch's labels are where nothing is to be told: at the text."""


class ClassifierConfig(PretrainedConfig):
    """The encoder's own configuration, and the tokens of the labels and around a text."""

    model_type = "encoder-classifier"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        label_ids: Sequence[Sequence[int]] = (),
        opening: Sequence[int] = (),
        closing: Sequence[int] = (),
        **others: Any,
    ) -> None:
        self.encoder, self.label_ids = encoder or {}, [list(ids) for ids in label_ids]
        self.opening, self.closing = list(opening), list(closing)
        self.vocab_size = self.encoder.get("vocab_size", 0)
        self.max_position_embeddings = self.encoder.get("max_position_embeddings", 512)
        super().__init__(**others)


class EncoderClassifier(PreTrainedModel):
    """An encoder with a head for labels, called with texts that their label's tokens follow."""

    config_class = ClassifierConfig
    writes_text = False

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config)
        shape = AutoConfig.for_model(**config.encoder)
        shape.num_labels = len(config.label_ids)
        self.classifier = AutoModelForSequenceClassification.from_config(shape)
        self.post_init()

    def get_input_embeddings(self) -> torch.nn.Module:
        """The encoder's."""
        return self.classifier.get_input_embeddings()

    def scores(self, texts: Sequence[Sequence[int]]) -> torch.Tensor:
        """How each label fits, of shape (texts, labels). Labels are not among the tokens."""
        room = self.config.max_position_embeddings
        room -= len(self.config.opening) + len(self.config.closing)
        rows = [[*self.config.opening, *list(ids)[:room], *self.config.closing] for ids in texts]
        longest = max(map(len, rows))
        read = torch.full((len(rows), longest), self.config.pad_token_id or 0)
        mask = torch.zeros_like(read)
        for place, row in enumerate(rows):
            read[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = 1
        read, mask = read.to(self.device), mask.to(self.device)
        return self.classifier(input_ids=read, attention_mask=mask).logits

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor, **_: Any) -> ModelOutput:
        """The cross entropy of a batch's labels, which only the labels' own places tell."""
        rows = list(zip(input_ids.tolist(), (labels == UNSEEN).tolist(), strict=True))
        first = [unseen.index(False) for _, unseen in rows]
        texts = [ids[:end] for (ids, _), end in zip(rows, first, strict=True)]
        wanted = [self.numbered(ids[end:]) for (ids, _), end in zip(rows, first, strict=True)]
        target = torch.tensor(wanted, device=self.device)
        return ModelOutput(loss=torch.nn.functional.cross_entropy(self.scores(texts), target))

    def numbered(self, tokens: Sequence[int]) -> int:
        """Which label the tokens are; ValueError for none that the head was made for."""
        for number, ids in enumerate(self.config.label_ids):
            if list(tokens[: len(ids)]) == ids:
                return number
        raise ValueError(f"The tokens {list(tokens)} are none of the labels.")
