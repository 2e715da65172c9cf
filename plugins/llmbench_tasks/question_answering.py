"""Questions on a text, as SQuAD has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from llmbench.plugin.row import Unusable, references, value, words
from llmbench.plugin.task import Example, Task

DATA = Path(__file__).parent / "data"
ANSWERS = ("answers", "answer")
"""Fields of the answers, the first that a row has."""


@dataclass(frozen=True)
class QuestionAnswering(Task):
    """A question on a text; any of the answers is right, and the first is learnt."""

    context: Annotated[str, Field(description="Field of the text.")] = "context"
    question: Annotated[str, Field(description="Field of the question.")] = "question"
    answers: Annotated[
        str, Field(description="Field of the answers, such as answers.text; found by default.")
    ] = ""
    unanswerable: Annotated[
        str, Field(description="What is right where a row has no answer, as in SQuAD 2.")
    ] = ""

    def read(self, row: Mapping[str, Any]) -> Example:
        """The text, the question behind it, and the answers."""
        return Example(
            id="",
            input=words(row, self.context),
            references=self.right(row),
            before="Answer the question from the text.\n\nText: ",
            after=f"\n\nQuestion: {words(row, self.question)}\n\nAnswer:",
        )

    def right(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """The answers of a row; Unusable where there are none, and nothing is right instead."""
        field = self.answers or next((f for f in ANSWERS if f in row), ANSWERS[0])
        content = value(row, field)
        texts = content.get("text") if isinstance(content, Mapping) else content
        if texts not in ([], (), "", None) or field.partition(".")[0] not in row:
            return references(row, field)
        if not self.unanswerable:
            raise Unusable(
                f"no answer in '{field}'; say what is right then, as in "
                f"--task '{self.id}(unanswerable=unknown)'"
            )
        return (self.unanswerable,)


QUESTION_ANSWERING = QuestionAnswering(
    id="question-answering",
    summary="questions on a text to short answers, as in SQuAD",
    template="Answer the question from the text.\n\nText: {context}\n\nQuestion: {question}",
    train_file=DATA / "question-answering-train.jsonl",
    eval_file=DATA / "question-answering-eval.jsonl",
    metrics=("token-f1", "exact-match"),
    stop=("\n",),
    defaults={"max_new_tokens": 24},
    extracts=True,
)
