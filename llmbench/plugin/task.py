"""A task: how a row of data becomes a prompt and its answers, and which data it has of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

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
INPUT = "input"
PLACE = re.compile(r"\{(\w+)\}")
"""What stands in a template for a field."""


class Turn(NamedTuple):
    """What somebody says in a conversation."""

    role: str
    """`system`, `user` or `assistant`."""
    text: str


@dataclass(frozen=True)
class Example:
    """One input with the texts that are right for it; the first is the one to train on."""

    id: str
    """Empty where the data have none: examples are then numbered."""
    input: str
    """What is cut at its end where the prompt is too long."""
    references: tuple[str, ...]
    before: str | None = None
    """What the row itself has before the input in a prompt; None where the task's template says
    what stands around it."""
    after: str = ""
    """What it has after it, likewise."""
    turns: tuple[Turn, ...] = ()
    """What was said before: a system's words, and earlier turns of a conversation."""
    rejected: tuple[str, ...] = ()
    """Answers that are worse than the first reference, as preference data have them: for a strategy
    that makes its own `batches`, and a metric that looks at the model."""

    @property
    def content(self) -> str:
        """All that the row asks, as one text; where it asks nothing, what is right."""
        own = f"{self.before or ''}{self.input}{self.after}"
        return "\n\n".join([*(turn.text for turn in self.turns), own]) or self.references[0]


@dataclass(frozen=True)
class Task:
    """What is to be learnt.

    `{input}` in the template stands for the example's input. A template may name several fields of
    the data instead, or beside it: `{question}` stands for what a row has in its field `question`.

    Whatever a subclass adds to these fields is an option of its task: with `source: str = ""`,
    `--task 'translation(source=en)'` makes it `en`. A ValueError of its `__post_init__` refuses
    options that do not go together.
    """

    id: str
    """As typed after `--task`."""
    summary: str
    """One line for `llmbench list tasks`."""
    template: str
    """The prompt: what a chat model's user says, or what a text starts with that goes on with a
    space, the target and end-of-text."""
    input_fields: tuple[str, ...] = INPUT_FIELDS
    """Field names that are recognised as the input, the first that is there wins. A task that
    names its own has them read before any known format of data is looked for."""
    target_fields: tuple[str, ...] = TARGET_FIELDS
    """Field names that are recognised as the target, likewise."""
    train_file: Path | None = None
    """Training data that ship with it; None where `--data` is to name some."""
    eval_file: Path | None = None
    """Evaluation data that ship with it, likewise."""
    metrics: tuple[str, ...] = ()
    """What `--metrics` is by default."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer, beside the token that does."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Settings that suit this task better than llmbench's own defaults."""
    extracts: bool = False
    """Whether it is usual for an answer to stand in its input. Elsewhere that is a mistake in the
    data, which is refused."""

    running_text: bool = False
    """Whether a row is a text that goes on: nothing is asked, and its reference is the whole of it.
    No template is put around it and no end behind it, plain files (`.txt`) are read, and one that
    is longer than a sequence makes several. What is predicted goes on from its beginning."""
    formats: tuple[str, ...] = ()
    """The known formats that its data may be in, by name; without, any, or an input and a target
    that are named as usual."""

    @property
    def choices(self) -> tuple[str, ...]:
        """All answers that there are, where those are known; metrics may choose among them."""
        return ()

    @property
    def learns_prompts(self) -> bool:
        """Whether training takes a loss on prompts too. Evaluation is of answers alone."""
        return False

    @property
    def places(self) -> tuple[str, ...]:
        """The fields that the template names, each once."""
        return tuple(dict.fromkeys(PLACE.findall(self.template)))

    def takes(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is an example at all; others are left out, and counted. Parent."""
        return True

    def read(self, row: Mapping[str, Any]) -> Example | None:
        """What a row of any fields asks, and its answers; None to have it recognised. Parent.

        A task that overrides this has the row as the file has it. ValueError with a sentence where
        the row cannot be used; `llmbench.plugin.row` has functions that raise it.
        """
        return None

    def write(self, turns: Sequence[Turn], tokenizer: Any) -> str | None:
        """A conversation up to its answer as text; None for what `--template` asks for. Worker.

        A task that overrides this may use the tokenizer and its chat template, and writes every
        special token itself, that which starts a text included.
        """
        return None

    def around(self, example: Example, chat: bool = False) -> tuple[str, str]:
        """What stands before and after the input in the example's last turn. Worker.

        `chat` is whether the model's chat template is put around it, which opens the answer.
        """
        if example.before is not None:
            return example.before, example.after
        before, _, after = self.template.partition("{input}")
        return before, after
