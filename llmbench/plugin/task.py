"""A task: how an example becomes a prompt and a target, and which data it has of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

INPUT_FIELDS = ("dialogue", "document", "article", "text", "input", "prompt", "question", "context")
TARGET_FIELDS = (
    "summary",
    "summaries",
    "highlights",
    "target",
    "targets",
    "output",
    "response",
    "completion",
    "answer",
)


@dataclass(frozen=True)
class Task:
    """What is to be learnt. `{input}` in the template stands for the example's input."""

    id: str
    summary: str
    template: str
    """The prompt: what a chat model's user says, or what a text starts with that goes on with a
    space, the target and end-of-text."""
    input_fields: tuple[str, ...] = INPUT_FIELDS
    """Field names that are recognised as the input, the first that is there wins."""
    target_fields: tuple[str, ...] = TARGET_FIELDS
    train_file: Path | None = None
    eval_file: Path | None = None

    def prompt(self, text: str) -> str:
        """The prompt for one input."""
        return self.template.replace("{input}", text)
