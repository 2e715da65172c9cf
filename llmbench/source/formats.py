"""The formats that data for fine-tuning come in, recognised by their fields as a whole.

A format says which fields make the prompt and which one the target. What it does not name is left
out, and the reader is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llmbench.plugin.row import LANGUAGES, Row, Unusable, references, text, value, words
from llmbench.plugin.task import Example, Turn


@dataclass(frozen=True)
class Format:
    """Fields that belong together, and what they mean."""

    name: str
    """As people call it."""
    inputs: tuple[str, ...]
    """Fields that make the prompt, each of which must be there."""
    target: str
    read: Callable[[Row], Example]
    optional: tuple[str, ...] = ()
    """Further fields of the prompt, where they are there."""
    extracts: bool = False
    """Whether it is usual for an answer to stand in its input."""

    def fits(self, columns: Sequence[str]) -> bool:
        """Whether the fields are there."""
        return {*self.inputs, self.target} <= set(columns)

    def used(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The fields that make the prompt, of those that are there."""
        return tuple(f for f in (*self.inputs, *self.optional) if f in columns)


def recognised(columns: Sequence[str], rows: Sequence[Row]) -> Format | None:
    """The format of rows with these fields; None where it is none of those that are known."""
    return next((f for f in FORMATS if f.fits(columns) and _holds(f, rows)), None)


def _holds(candidate: Format, rows: Sequence[Row]) -> bool:
    """Whether the fields that are to be lists are: other data may use the same names."""
    values = [row.get(f) for row in rows[:8] for f in candidate.inputs if f in LISTS]
    return all(isinstance(value, list) for value in values)


def _maybe(row: Row, field: str) -> str:
    return text(value(row, field)) or ""


# Formats.


def instructed(name: str, target: str) -> Format:
    """An instruction, with a text that it is about or without."""

    def read(row: Row) -> Example:
        said = [t for t in (_maybe(row, f) for f in ("instruction", *ABOUT)) if t.strip()]
        if not said:
            raise Unusable("no text in 'instruction'")
        before = "".join(f"{t}\n\n" for t in said[:-1])
        turns = (*_system(row), *_history(row))
        return Example("", said[-1], references(row, target), before, ANSWER, turns)

    return Format(name, ("instruction",), target, read, (*ABOUT, "system", "history"))


def asked(
    field: str, target: str, name: str = "", system: str = "system", after: str = ""
) -> Format:
    """A prompt, and what is to follow it; each may be a list of messages."""

    def read(row: Row) -> Example:
        if _is_said(row.get(field)) or _is_said(row.get(target)):
            answer = _said(row, target, "assistant")
            whole = answer[0].role != "assistant"  # it repeats what it answers
            return _conversation(answer if whole else _said(row, field, "user") + answer, target)
        turns = _system(row, system)
        return Example("", words(row, field), references(row, target), "", after, turns)

    return Format(name or f"{field} and {target}", (field,), target, read, (system,))


def _said(row: Row, field: str, role: str) -> list[Turn]:
    """The messages in a field, or what it has as one of them."""
    if isinstance(row.get(field), Mapping):
        return [_turn(row[field], field)]
    return _messages(row, field) if _is_said(row.get(field)) else [Turn(role, words(row, field))]


def conversation(name: str, field: str) -> Format:
    """A list of messages, of which the last answer is the target."""

    def read(row: Row) -> Example:
        said = [*_system(row), *_messages(row, field)]
        return _conversation(said, field)

    return Format(name, (field,), field, read, ("system",))


def _conversation(said: Sequence[Turn], field: str) -> Example:
    last = max((i for i, turn in enumerate(said) if turn.role == "assistant"), default=-1)
    if last < 1 or said[last - 1].role != "user":
        raise Unusable(f"no answer to a user in '{field}'")
    if not said[last].text.strip():
        raise Unusable(f"an empty target in '{field}'")
    return Example("", said[last - 1].text, (said[last].text,), "", "", tuple(said[: last - 1]))


def _messages(row: Row, field: str) -> list[Turn]:
    messages = row.get(field)
    if not isinstance(messages, list) or not all(isinstance(m, Mapping) for m in messages):
        raise Unusable(f"no list of messages in '{field}'")
    return [_turn(m, field) for m in messages]


def _turn(message: Row, field: str) -> Turn:
    role = str(message.get("role", message.get("from")))
    if role not in ROLES:
        raise Unusable(
            f"a message of '{role}' in '{field}', where user, assistant and system may speak"
        )
    content = message.get("content", message.get("value"))
    if isinstance(content, list):
        content = "".join(_part(p, field) for p in content)
    speech = text(content)
    if speech is None:
        raise Unusable(f"a message without text in '{field}'")
    return Turn(ROLES[role], speech)


def _part(part: Any, field: str) -> str:
    """A part of what is said: `{"type": "text"}` with its text in `text` or `value`."""
    content = part
    if isinstance(part, Mapping):
        content = part.get("text", part.get("value") if part.get("type") == "text" else None)
    if not isinstance(content, str):
        raise Unusable(f"a message with more than text in '{field}'")
    return content


def _is_said(content: Any) -> bool:
    """Whether it is a list of messages."""
    return isinstance(content, list) and bool(content) and isinstance(content[0], Mapping)


def _system(row: Row, field: str = "system") -> tuple[Turn, ...]:
    said = _maybe(row, field)
    return (Turn("system", said),) if said.strip() else ()


def _history(row: Row) -> Iterator[Turn]:
    """Earlier questions and answers, as LLaMA-Factory keeps them beside Alpaca's fields."""
    pairs = row.get("history")
    for pair in pairs if isinstance(pairs, list) else ():
        if not isinstance(pair, list) or len(pair) != 2 or None in map(text, pair):
            raise Unusable("no pairs of texts in 'history'")
        yield from (Turn("user", str(pair[0])), Turn("assistant", str(pair[1])))


def _preferred(row: Row) -> Example:
    """The answer that was chosen, where its prompt is the beginning of what is chosen."""
    chosen = row.get("chosen")
    if _is_said(chosen):
        return _conversation(_messages(row, "chosen"), "chosen")
    said = SPEAKER.split(words(row, "chosen"))
    turns = [Turn(ROLES[r.lower()], t.strip()) for r, t in zip(said[1::2], said[2::2], strict=True)]
    return _conversation(turns, "chosen")


def _answered(target: str) -> Format:
    """A question on a text."""

    def read(row: Row) -> Example:
        question = words(row, "question")
        return Example(
            "",
            words(row, "context"),
            references(row, target),
            "Answer the question from the text.\n\nText: ",
            f"\n\nQuestion: {question}{ANSWER}",
        )

    return Format("question on a context", ("context", "question"), target, read, extracts=True)


def _translated(row: Row) -> Example:
    """The first language that a row has into the second."""
    pair = row["translation"]
    if not isinstance(pair, Mapping) or len(pair) != 2:
        raise Unusable("no pair of languages in 'translation'")
    source, target = pair
    languages = f"{LANGUAGES.get(source, source)} to {LANGUAGES.get(target, target)}"
    return Example(
        "",
        words(pair, source),
        references(pair, target),
        f"Translate from {languages}.\n\n",
        "\n\nTranslation:",
    )


ANSWER = "\n\nAnswer:"
ABOUT = ("input", "context")
"""Fields with what an instruction is about."""
ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "bot": "assistant",
    "model": "assistant",
}
LISTS = frozenset({"messages", "conversations", "conversation"})
"""Fields that hold messages, or something else of that name."""

MEDIA = frozenset({"image", "images", "audio", "audios", "video", "videos"})
"""Fields that hold what a text may speak of, and no text."""

SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant):")
"""Who speaks, in the transcripts of Anthropic's HH-RLHF."""
ORCA = replace(
    asked("question", "response", "Open-Orca", system="system_prompt"),
    inputs=("system_prompt", "question"),
    optional=(),
)

FORMATS = (
    asked("conversations", "chosen", "preference pairs"),
    conversation("messages", "messages"),
    conversation("ShareGPT", "conversations"),
    conversation("ShareGPT", "conversation"),
    asked("prompt", "chosen", "preference pairs"),
    Format("preference pairs", (), "chosen", _preferred),
    ORCA,
    instructed("Alpaca", "output"),
    instructed("Dolly", "response"),
    *(instructed(f"instruction and {t}", t) for t in ("completion", "answer", "target")),
    *(_answered(target) for target in ("answers", "answer")),
    Format("translation", ("translation",), "translation", _translated),
    *(
        asked(field, target)
        for field in ("prompt", "query", "inputs")
        for target in ("completion", "response", "answer", "output", "targets", "target")
    ),
    *(
        asked("question", target, after=ANSWER)
        for target in ("answer", "answers", "response", "output")
    ),
)
"""The first that fits is taken."""
