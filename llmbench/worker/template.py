"""How a prompt is written for a model: plainly, or as a turn of the model's own chat template."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from llmbench.errors import ModelError, message
from llmbench.plugin.task import Turn
from llmbench.record import settings

QUESTION, ANSWER = "Question", "Answer"
"""Placeholder texts, which show what a chat template puts around a message."""
DAY = "26 Jul 2024"
"""The date for templates that name one, so that prompts are the same on every day."""


class Template(Protocol):
    """Makes token ids of what a model is asked, and of what it is to answer."""

    name: str
    """As the record has it: `plain` or `chat`."""
    end: int | None
    """The token that ends an answer."""
    paired: bool
    """Whether the answer is a text of its own, which a decoder writes from what an encoder read."""

    special: Special
    """The special tokens of its tokenizer, and how those in data are read."""
    closing: str
    """What is written after what the user says, and before the answer."""

    def prompt(
        self, request: str, earlier: Sequence[Turn] = (), covered: Covered | None = None
    ) -> list[int]:
        """All that comes before the answer to what a user says after the earlier turns.

        `covered` are stand-ins in them, if somebody has put some where special tokens are text;
        by default, none of what is said holds a token.
        """

    def target(self, reference: str) -> list[int]:
        """The answer that is trained on, and its end."""


def choose(
    tokenizer: Any,
    wanted: settings.Template,
    model: str,
    special: settings.Special = "text",
    paired: bool = False,
    running: bool = False,
) -> Template:
    """The template that is asked for; `auto` is chat where the tokenizer has a template for it.

    ModelError where there is none, or none that works. `paired` is for an encoder-decoder, and
    `running` for a text that goes on, which has no template whatever is asked for.
    """
    read = Special(tokenizer, as_text=special == "text")
    if running:
        return running_text(tokenizer, model, read, paired)
    if paired and wanted != "chat":
        return Pair(tokenizer, read)
    if wanted == "plain" or (wanted == "auto" and not has_chat(tokenizer)):
        return Plain(tokenizer, read)
    if not has_chat(tokenizer):
        raise ModelError(f"'{model}' has no chat template: use --template plain.")
    try:
        return Chat(tokenizer, read)
    except Exception as error:  # it is a program of the model's authors
        why = (message(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ModelError(
            f"The chat template of '{model}' does not work ({why}): use --template plain."
        ) from error


def has_chat(tokenizer: Any) -> bool:
    """Whether the tokenizer brings a chat template; of several, whether one is for any use."""
    template = getattr(tokenizer, "chat_template", None)
    return "default" in template if isinstance(template, dict) else bool(template)


class Plain:
    """The request as it is; the answer after a space, with the end-of-text token.

    What a system says comes before it. Of a conversation, each turn starts with who speaks.
    """

    name = "plain"
    closing = ""
    paired = False

    def __init__(self, tokenizer: Any, special: Special | None = None) -> None:
        self.end: int | None = tokenizer.eos_token_id
        self.special = special or Special(tokenizer)
        self._start: int | None = tokenizer.bos_token_id

    def prompt(
        self, request: str, earlier: Sequence[Turn] = (), covered: Covered | None = None
    ) -> list[int]:
        """The request, after whatever the tokenizer starts a text with, and open at its end."""
        if covered is None:
            request, covered = self.special.cover(request)
        ids = self.special.encode(transcript(request, earlier), covered, opens=True)
        if len(ids) > 1 and ids[-1] == self.end:
            ids = ids[:-1]
        return ids[1:] if ids[:2] == [self._start, self._start] else ids

    def target(self, reference: str) -> list[int]:
        """A space, the reference and the end of the text."""
        ids = self.special.encode(*self.special.cover(f" {reference.strip()}"))
        return ids if self.end is None else [*ids, self.end]


def running_text(tokenizer: Any, model: str, special: Special, paired: bool) -> Text:
    """Text alone; ModelError for an encoder-decoder, or where no token can stand before a text."""
    if paired:
        raise ModelError(
            f"'{model}' reads with an encoder, and a text that goes on leaves it nothing to read: "
            "take a decoder, or another --task."
        )
    if tokenizer.bos_token_id is None and tokenizer.eos_token_id is None:
        raise ModelError(
            f"The tokenizer of '{model}' has no token that starts or ends a text, from which the "
            "first one could be predicted: give it one (bos_token)."
        )
    return Text(tokenizer, special)


class Text(Plain):
    """A text that goes on: nothing is asked, and it is written as it is.

    Before it stands the token that starts a text or, where there is none, the one that ends one,
    so that the first token is predicted as well.
    """

    name = "none"

    def prompt(
        self, request: str = "", earlier: Sequence[Turn] = (), covered: Covered | None = None
    ) -> list[int]:
        """The token that stands before a text."""
        first = self.end if self._start is None else self._start
        return [] if first is None else [first]

    def target(self, reference: str) -> list[int]:
        """The text, its white space included, without an end."""
        return self.special.encode(*self.special.cover(reference))


class Pair(Plain):
    """The request as a text for the encoder, the answer as one of its own for the decoder.

    Each begins and ends as the tokenizer has it.
    """

    paired = True

    def __init__(self, tokenizer: Any, special: Special | None = None) -> None:
        super().__init__(tokenizer, special)
        self._tokenizer = tokenizer
        bare = tokenizer(ANSWER, add_special_tokens=False)["input_ids"]
        framed = tokenizer(ANSWER)["input_ids"]
        first = framed.index(bare[0])
        self._before, self._after = framed[:first], framed[first + len(bare) :]

    def prompt(
        self, request: str, earlier: Sequence[Turn] = (), covered: Covered | None = None
    ) -> list[int]:
        """The request between the tokens that the encoder was trained with."""
        if covered is None:
            request, covered = self.special.cover(request)
        ids = self.special.encode(transcript(request, earlier), covered)
        return [*self._before, *ids, *self._after]

    def target(self, reference: str) -> list[int]:
        """The reference and its end, in the decoder's language where the two differ."""
        text = bool(self.special.cover(reference)[1])
        encoded = self._tokenizer(text_target=reference, split_special_tokens=text)
        ids = list(encoded["input_ids"])
        if self.end is None or self.end in ids[-2:]:  # a language's token may come after it
            return ids
        return [*ids, self.end]


def transcript(request: str, earlier: Sequence[Turn]) -> str:
    """A conversation as text, up to the answer to the request."""
    spoken = any(turn.role != "system" for turn in earlier)
    messages = [t.text if t.role == "system" else f"{t.role.title()}: {t.text}" for t in earlier]
    last = f"User: {request}\n\nAssistant:" if spoken else request
    return "\n\n".join([*messages, last])


class Chat:
    """The request as the user's turn, the answer as the assistant's, up to the end of that turn.

    Some templates write an answer that is past otherwise than one that is to come, or end it with
    no token of its own. There, the answer is the bare reference with the end-of-text token.
    """

    name = "chat"
    paired = False

    def __init__(self, tokenizer: Any, special: Special | None = None) -> None:
        self._tokenizer = tokenizer
        self.special = special or Special(tokenizer)
        self._opening = self.prompt(QUESTION)
        self.closing = self._rendered(QUESTION).partition(QUESTION)[2].strip()
        answered = self._answered(ANSWER)
        last = answered[-1] if answered else None
        self._ends_turns = last in self.special.written
        self.end: int | None = last if self._ends_turns else tokenizer.eos_token_id

    def prompt(
        self, request: str, earlier: Sequence[Turn] = (), covered: Covered | None = None
    ) -> list[int]:
        """The earlier turns, the user's, and the opening of the assistant's.

        The template writes the token that starts a text, if there is to be one.
        """
        if covered is None:
            request, covered = self.special.cover(request)
        return self.special.encode(self._rendered(request, earlier=earlier), covered)

    def target(self, reference: str) -> list[int]:
        """What the template puts after the prompt for this answer, without white space at its end.

        It is the same whatever was asked, and so it is looked up after a short question.
        """
        answer = reference.strip()
        answered = self._answered(answer) if self._ends_turns else None
        if answered:
            return answered
        ids = self.special.encode(*self.special.cover(answer))
        return ids if self.end is None else [*ids, self.end]

    def _answered(self, answer: str) -> list[int] | None:
        """The tokens after the prompt; None where the conversation does not start with it."""
        answer, covered = self.special.cover(answer)
        ids = self.special.encode(self._rendered(QUESTION, answer).rstrip(), covered)
        length = len(self._opening)
        return ids[length:] if ids[:length] == self._opening else None

    def _rendered(
        self, request: str, answer: str | None = None, earlier: Sequence[Turn] = ()
    ) -> str:
        """The conversation in the template; the user says what a system has no place for."""
        try:
            return self._filled([*earlier, Turn("user", request)], answer)
        except Exception:
            if not any(turn.role == "system" for turn in earlier):
                raise
            return self._filled(without_system(request, earlier), answer)

    def _filled(self, turns: Sequence[Turn], answer: str | None) -> str:
        conversation = [{"role": turn.role, "content": turn.text} for turn in turns]
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


def without_system(request: str, earlier: Sequence[Turn]) -> list[Turn]:
    """The turns with what a system says at the start of what the user says first."""
    instructions = [turn.text for turn in earlier if turn.role == "system"]
    first, *others = [*(t for t in earlier if t.role != "system"), Turn("user", request)]
    return [Turn(first.role, "\n\n".join([*instructions, first.text])), *others]


Covered = Mapping[str, str]
"""Stand-ins, and what somebody says that each stands for."""


class Special:
    """A tokenizer's special tokens, as they are written in texts."""

    def __init__(self, tokenizer: Any, as_text: bool = True) -> None:
        """`as_text` says whether what looks like one in what people say is letters."""
        self._tokenizer = tokenizer
        self._as_text = as_text
        added = tokenizer.added_tokens_decoder.items()
        self.written = {number: token.content for number, token in added if token.special}
        self.known = frozenset(self.written.values())
        longest_first = sorted(self.written.values(), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def within(self, text: str) -> list[str]:
        """Those that stand in a text, each once."""
        return list(dict.fromkeys(self._pattern.findall(text)))

    def cover(self, said: str) -> tuple[str, Covered]:
        """What somebody says, with a stand-in for it where a token in it is to be letters.

        A template has the stand-in to fill in, so that nothing said passes for the template's own.
        """
        if not self._as_text or not self._pattern.search(said):
            return said, {}
        core = said.strip()
        name = f"Text{hashlib.sha256(core.encode()).hexdigest()[:16]}"
        return said.replace(core, name), {name: core}

    def encode(self, text: str, covered: Covered, opens: bool = False) -> list[int]:
        """Token ids of a text, that which stand-ins stand for as letters.

        `opens` has the tokenizer add what a text starts with.
        """
        if not covered:
            return self._ids(text, opens)
        pieces = re.split(f"({'|'.join(covered)})", text)
        ids: list[int] = []
        for number, piece in enumerate(pieces):
            if piece or (opens and number == 0):
                letters = covered.get(piece)
                first = opens and number == 0
                ids += (
                    self._ids(piece, first) if letters is None else self._ids(letters, as_text=True)
                )
        return ids

    def _ids(self, text: str, opens: bool = False, as_text: bool = False) -> list[int]:
        encoded = self._tokenizer(text, add_special_tokens=opens, split_special_tokens=as_text)
        return list(encoded["input_ids"])


def without_end(text: str, ends: Sequence[str]) -> str:
    """A text without tokens at its end that end a text, and the white space around them."""
    bare = text.rstrip()
    for end in ends:
        if end and bare.endswith(end):
            return without_end(bare.removesuffix(end), ends)
    return text
