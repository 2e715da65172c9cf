"""How a prompt is written for a model: plainly, or as a turn of the model's own chat template."""

from __future__ import annotations

import re
from typing import Any, Protocol

from llmbench.errors import ModelError, words
from llmbench.record import settings

QUESTION, ANSWER = "Question", "Answer"
"""Stand-ins for what is said, to see what a chat template puts around it."""
DAY = "26 Jul 2024"
"""What a template that names the day is told, so that prompts are the same on every day."""


class Template(Protocol):
    """Makes token ids of what a model is asked, and of what it is to answer."""

    name: str
    """As the record has it: `plain` or `chat`."""
    end: int | None
    """The token that ends an answer."""

    def prompt(self, request: str) -> list[int]:
        """All that comes before the answer."""

    def target(self, reference: str) -> list[int]:
        """The answer that is trained on, and its end."""


def choose(tokenizer: Any, wanted: settings.Template, model: str) -> Template:
    """The template that is asked for; `auto` is chat where the tokenizer has a template for it.

    ModelError where there is none, or none that works.
    """
    if wanted == "plain" or (wanted == "auto" and not has_chat(tokenizer)):
        return Plain(tokenizer)
    if not has_chat(tokenizer):
        raise ModelError(f"'{model}' has no chat template: use --template plain.")
    try:
        return Chat(tokenizer)
    except Exception as error:  # it is a program of the model's authors
        why = (words(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ModelError(
            f"The chat template of '{model}' does not work ({why}): use --template plain."
        ) from error


def has_chat(tokenizer: Any) -> bool:
    """Whether the tokenizer brings a chat template; of several, whether one is for any use."""
    found = getattr(tokenizer, "chat_template", None)
    return "default" in found if isinstance(found, dict) else bool(found)


class Plain:
    """The request as it is; the answer after a space, with the end-of-text token."""

    name = "plain"

    def __init__(self, tokenizer: Any) -> None:
        self.end: int | None = tokenizer.eos_token_id
        self._tokenizer = tokenizer

    def prompt(self, request: str) -> list[int]:
        """The request, after whatever the tokenizer starts a text with."""
        return list(self._tokenizer(request)["input_ids"])

    def target(self, reference: str) -> list[int]:
        """A space, the reference and the end of the text."""
        ids = list(self._tokenizer(" " + reference, add_special_tokens=False)["input_ids"])
        return ids if self.end is None else [*ids, self.end]


class Chat:
    """The request as the user's turn, the answer as the assistant's, up to the end of that turn.

    Some templates write an answer that is past otherwise than one that is to come, or end it with
    no token of its own. There, the answer is the bare reference with the end-of-text token.
    """

    name = "chat"

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder.items()
        special = {number: token.content for number, token in added if token.special}
        self._special = re.compile("|".join(map(re.escape, special.values())) or "(?!)")
        self._opening = self.prompt(QUESTION)
        found = self._answered(ANSWER)
        last = found[-1] if found else None
        self._ends_turns = last in special
        self.end: int | None = last if self._ends_turns else tokenizer.eos_token_id

    def prompt(self, request: str) -> list[int]:
        """The user's turn, and the opening of the assistant's."""
        return self._encode(self._rendered(request), request)

    def target(self, reference: str) -> list[int]:
        """What the template puts after the prompt for this answer, without white space at its end.

        It is the same whatever was asked, and so it is looked up after a short question.
        """
        answer = reference.strip()
        found = self._answered(answer) if self._ends_turns else None
        if found:
            return found
        ids = self._encode(answer, answer)
        return ids if self.end is None else [*ids, self.end]

    def _answered(self, answer: str) -> list[int] | None:
        """The tokens after the prompt; None where the conversation does not start with it."""
        ids = self._encode(self._rendered(QUESTION, answer).rstrip(), answer)
        length = len(self._opening)
        return ids[length:] if ids[:length] == self._opening else None

    def _rendered(self, request: str, answer: str | None = None) -> str:
        conversation = [{"role": "user", "content": request}]
        if answer is not None:
            conversation.append({"role": "assistant", "content": answer})
        return str(
            self._tokenizer.apply_chat_template(
                conversation,
                add_generation_prompt=answer is None,
                tokenize=False,
                enable_thinking=False,
                date_string=DAY,
            )
        )

    def _encode(self, rendered: str, said: str) -> list[int]:
        """Token ids of what the template rendered; what looks like a token in what is said is text.

        The template writes the token that starts a text, if there is to be one.
        """
        if not self._special.search(said):
            return self._ids(rendered)
        before, found, after = rendered.partition(said.strip())
        return [*self._ids(before), *self._ids(found, as_text=True), *self._ids(after)]

    def _ids(self, text: str, as_text: bool = False) -> list[int]:
        encoded = self._tokenizer(text, add_special_tokens=False, split_special_tokens=as_text)
        return list(encoded["input_ids"])
