"""What fine-tuning costs elsewhere: the loss on a text that the task does not touch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from llmbench.errors import ConfigError
from llmbench.plugin.metric import ModelMetric, Score, Subject
from llmbench.record.measure import Measure


class Forgetting(ModelMetric):
    """`forgetting:FILE` reads a plain text. A method forgets what its loss lies above the base's.

    The untrained model is evaluated in every comparison, and its row has the same figure.
    """

    id = "forgetting"
    summary = "loss on a text that the task does not touch, as in forgetting:FILE"

    window: int = Field(256, ge=2, description="Tokens that the model sees at a time.")
    most: int = Field(16_384, ge=2, description="Tokens of the text that are read, at most.")

    @classmethod
    def check(cls, argument: str | None) -> str | None:
        """A text has to be named, and to be there."""
        if argument is None:
            return "'forgetting' needs a text that the task does not touch: forgetting:FILE."
        if not Path(argument).expanduser().is_file():
            return f"The text '{argument}' is no file: check the path after 'forgetting:'."
        return None

    def measures(self) -> Sequence[Measure]:
        """Nats per token, to be held against the untrained model's."""
        return [
            Measure(
                id="other_loss",
                label="Loss on other text",
                better="lower",
                unit="nats",
                most=None,
                meaning="cross entropy per token of a text that the task does not touch; what lies "
                "above the untrained model's was forgotten",
            )
        ]

    def look(self, subject: Subject) -> Score:
        """The mean over all predicted tokens, window by window."""
        import torch

        model = subject.model
        if model.config.is_encoder_decoder:
            raise ConfigError("'forgetting' reads texts with a decoder alone: leave it out here.")
        text = Path(self.argument or "").expanduser().read_text("utf-8")
        ids = subject.tokenizer(text, add_special_tokens=False)["input_ids"][: self.most]
        windows = [ids[n : n + self.window] for n in range(0, len(ids), self.window)]
        windows = [window for window in windows if len(window) > 1]
        if not windows:
            raise ConfigError(f"The text '{self.argument}' has no two tokens: name a longer one.")
        nats = 0.0
        for window in windows:
            given = torch.tensor([window], device=model.device)
            with torch.no_grad():
                loss = model(input_ids=given, labels=given, use_cache=False).loss
            nats += float(loss) * (len(window) - 1)
        return Score(corpus={"other_loss": nats / sum(len(window) - 1 for window in windows)})
