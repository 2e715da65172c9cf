"""Rows of preference data: a prompt, the answer that was chosen, and the one that was rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmbench.plugin.task import Example, Task, Turn


class PreferenceTask(Task):
    """Reads `prompt`, `chosen` and `rejected`, each a text or a list of messages.

    Where `chosen` and `rejected` are whole conversations, they must differ in the last answer
    alone, and `prompt` may be missing.
    """

    def read(self, row: Mapping[str, Any]) -> Example:
        """The prompt as the row has it, and both answers."""
        better, worse = (_conversation(row, name) for name in ("chosen", "rejected"))
        if better[:-1] != worse[:-1]:
            raise ValueError("its chosen and rejected answers follow different prompts")
        if better[-1].text == worse[-1].text:
            raise ValueError("its chosen and rejected answers are the same")
        *earlier, asked, answer = better
        return Example(
            id="",
            input=asked.text,
            references=(answer.text,),
            before="",
            turns=tuple(earlier),
            rejected=(worse[-1].text,),
        )


def _conversation(row: Mapping[str, Any], name: str) -> list[Turn]:
    """All that was said up to and with the answer of that name."""
    said = _turns(row.get(name), "assistant", name)
    if said[0].role == "assistant":
        said = [*_turns(row.get("prompt"), "user", "prompt"), *said]
    if len(said) < 2 or (said[-2].role, said[-1].role) != ("user", "assistant"):
        raise ValueError(f"'{name}' is no answer to a user")
    return said


def _turns(content: Any, role: str, name: str) -> list[Turn]:
    if isinstance(content, str) and content.strip():
        return [Turn(role, content)]
    if not isinstance(content, Sequence) or not content or isinstance(content, str):
        raise ValueError(f"there is no text in '{name}'")
    try:
        return [Turn(str(message["role"]), str(message["content"])) for message in content]
    except (KeyError, TypeError):
        raise ValueError(f"'{name}' is no list of messages with role and content") from None


PREFERENCE = PreferenceTask(
    id="preference",
    summary="prompts to the answer that is preferred; each has one that was rejected, too",
    template="{input}",
    metrics=("preference",),
)
