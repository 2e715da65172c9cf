"""Classification: of all labels, the one that the model finds likeliest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from llmbench.plugin.row import Unusable, text, value, words
from llmbench.plugin.task import Example, Task

DATA = Path(__file__).parent / "data"
TEXTS = ("text", "sentence", "review", "content", "input")
"""Fields of the text, the first that a row has; those of labels likewise."""
LABELS = ("label", "labels", "class", "category", "target")


@dataclass(frozen=True)
class Classification(Task):
    """A text to one of few labels."""

    text: Annotated[
        str, Field(description="Field of the text; several are joined by +. Found by default.")
    ] = ""
    label: Annotated[str, Field(description="Field of the label; found by default.")] = ""
    names: Annotated[
        str,
        Field(
            description="All labels, as in bad|good: of numbered ones the names, from 0 on. "
            "By default the labels that the data have."
        ),
    ] = ""

    def __post_init__(self) -> None:
        """ValueError for labels that are none."""
        if self.names and len(set(self.choices)) < max(2, self.names.count("|") + 1):
            raise ValueError("labels are different texts with | between them.")

    @property
    def choices(self) -> tuple[str, ...]:
        """The labels that are named."""
        return tuple(name for part in self.names.split("|") if (name := part.strip()))

    def read(self, row: Mapping[str, Any]) -> Example:
        """The text between what is asked, and its label."""
        fields = self.text.split("+") if self.text else [_first(row, TEXTS)]
        asked = f"Choose one of: {', '.join(self.choices)}.\n\n" if self.choices else ""
        texts = [words(row, field.strip()) for field in fields]
        return Example(
            id="",
            input="\n\n".join(texts),
            references=(self.named(row, self.label or _first(row, LABELS)),),
            before=f"{asked}Text: ",
            after="\n\nLabel:",
        )

    def named(self, row: Mapping[str, Any], field: str) -> str:
        """The label of a row as text; Unusable for one that is not among those that are named."""
        content = value(row, field)
        said = (text(content) or "").strip()
        if not said:
            raise Unusable(f"no label in '{field}'")
        if not self.choices or said in self.choices:
            return said
        number = int(content) if said.isdecimal() or isinstance(content, bool) else -1
        if not 0 <= number < len(self.choices):
            raise Unusable(f"the label '{said}', which is none of {', '.join(self.choices)}")
        return self.choices[number]


def _first(row: Mapping[str, Any], fields: tuple[str, ...]) -> str:
    return next((field for field in fields if field in row), fields[0])


CLASSIFICATION = Classification(
    id="classification",
    summary="texts to one of few labels: the one that is likeliest",
    template="Text: {text}\n\nLabel:",
    train_file=DATA / "classification-train.jsonl",
    eval_file=DATA / "classification-eval.jsonl",
    metrics=("label-likelihood",),
    defaults={"max_new_tokens": 8},
)
