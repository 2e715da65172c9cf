"""BERTScore (Zhang et al., 2020, arXiv:1904.09675): likeness of texts by an encoder's states."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from llmbench.errors import ConfigError, message
from llmbench.plugin.metric import Metric, Score
from llmbench.record.measure import Measure
from llmbench.source.model import path_of


class BertScore(Metric):
    """Each token is held against the most similar one of the other text, by cosine.

    Precision is the mean over the prediction's tokens, recall that over the reference's; of several
    references the best counts, and a prediction without a token is worth 0. Nothing is rescaled by
    a baseline. The encoder runs on the host, so that the GPU's memory stays the method's.
    """

    id = "bertscore"
    summary = "BERTScore's F1, recall and precision; bertscore(model=DIR,layers=9) for a local one"
    modules = ("bert_score",)

    model: str = Field("roberta-large", description="The encoder: a folder, or its hub's id.")
    layers: int | None = Field(
        None, ge=1, description="The layer whose states count; a known model has one of its own."
    )

    @classmethod
    def check(cls, argument: str | None) -> str | None:
        """The package must be there."""
        if argument is None and find_spec("bert_score") is None:
            return "'bertscore' needs the package bert-score: pip install 'llmbench[bertscore]'."
        return super().check(argument)

    @field_validator("model")
    @classmethod
    def _there(cls, model: str) -> str:
        if model.startswith((".", "~", "/")) and path_of(model) is None:
            raise ValueError("there is no such folder: check the path")
        return model

    def measures(self) -> Sequence[Measure]:
        """F1 first, under names of the encoder's own: figures of two encoders are no match."""
        name = Path(self.model).name
        layer = f", layer {self.layers}" if self.layers else ""
        meaning = "likeness of tokens in their context, by an encoder's states"
        return [
            Measure(
                id=self._name(part),
                label=f"BERTScore {label} ({name}{layer})",
                least=-1.0,
                margin=0.01,
                meaning=f"{meaning}: {how}",
            )
            for part, label, how in (
                ("f1", "F1", "the harmonic mean of precision and recall"),
                ("recall", "recall", "of the reference's tokens"),
                ("precision", "precision", "of the prediction's tokens"),
            )
        ]

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """Three figures for each example."""
        said = [number for number, text in enumerate(predictions) if text.strip()]
        figures = {part: [0.0] * len(predictions) for part in ("precision", "recall", "f1")}
        if said:
            texts = [predictions[number] for number in said]
            found = self._scorer().score(texts, [list(references[number]) for number in said])
            for part, values in zip(figures, found, strict=True):
                for number, value in zip(said, values.tolist(), strict=True):
                    figures[part][number] = min(1.0, max(-1.0, value))
        return Score(examples={self._name(part): values for part, values in figures.items()})

    def _name(self, part: str) -> str:
        """`bertscore_f1_roberta_large`, with the layer where it was asked for."""
        words = [*re.findall(r"[a-z0-9]+", Path(self.model).name.lower())]
        return "_".join(["bertscore", part, *words, *([f"l{self.layers}"] if self.layers else [])])

    def _scorer(self) -> Any:
        """The encoder with its tokenizer; ConfigError where it cannot be had, or has no layer."""
        from bert_score import BERTScorer

        folder = path_of(self.model)
        try:
            made = BERTScorer(
                str(folder.resolve()) if folder else self.model,
                num_layers=self.layers,
                device="cpu",
                use_fast_tokenizer=True,
            )
        except KeyError as error:
            raise ConfigError(
                f"bert-score knows no best layer of '{self.model}': name one, as in "
                "bertscore(model=DIR,layers=9)."
            ) from error
        except Exception as error:  # whatever a download or a library raises
            raise ConfigError(
                f"The encoder '{self.model}' cannot be loaded ({message(error).splitlines()[0]}): "
                "name a folder that holds one, as in bertscore(model=DIR,layers=9)."
            ) from error
        most = getattr(made._model.config, "max_position_embeddings", None)
        if most:  # RoBERTa counts its positions from 2 on
            made._tokenizer.model_max_length = min(made._tokenizer.model_max_length, most - 2)
        return made
