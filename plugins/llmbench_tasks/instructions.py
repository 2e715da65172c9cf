"""Instructions and what is to be answered, in the formats that people keep them in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from llmbench.plugin.task import Example, Task

DATA = Path(__file__).parent / "data"
CUE = "\n\nAnswer:"
"""What a plain prompt ends with; a chat template opens an answer by itself."""


@dataclass(frozen=True)
class Instructions(Task):
    """Rows of Alpaca and Dolly, and conversations, of which the last answer is the target."""

    loss: Annotated[
        Literal["answers", "all"],
        Field(description="What training takes a loss on: answers alone, or prompts as well."),
    ] = "answers"

    @property
    def learns_prompts(self) -> bool:
        """As the option has it."""
        return self.loss == "all"

    def around(self, example: Example, chat: bool = False) -> tuple[str, str]:
        """What the row has before its input and, without a chat template, a cue behind it."""
        spoken = any(turn.role != "system" for turn in example.turns)
        said = example.after.removesuffix(CUE)
        return example.before or "", said if chat or spoken else f"{said}{CUE}"


INSTRUCTIONS = Instructions(
    id="instructions",
    summary="instructions and conversations to answers; instructions(loss=all) learns prompts too",
    template="{input}",
    train_file=DATA / "instructions-train.jsonl",
    eval_file=DATA / "instructions-eval.jsonl",
    metrics=("rouge", "exact-match"),
    formats=("Alpaca", "Dolly", "messages", "ShareGPT", "Open-Orca", "prompt and completion"),
)
