"""From examples to token ids, and what to say of them. Without torch: parents use it, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llmbench.errors import ModelError
from llmbench.plugin.blame import blamed, wanted
from llmbench.plugin.task import Example, Task, Turn
from llmbench.record.settings import Settings
from llmbench.text import listed
from llmbench.worker.template import Template, without_end

OPENING = 32
"""Tokens of a running text that a prediction goes on from, at most."""
FOREIGN = re.compile(r"<\|\w+\|>|<(?:start|end)_of_turn>|^<s>|</s>$", re.MULTILINE)
"""How templates of models in use write their special tokens."""


@dataclass(frozen=True)
class Tokens:
    """Token ids of one sequence, and how many of the first are the prompt, without a loss."""

    ids: tuple[int, ...]
    prompt: int
    paired: bool = False
    """Whether an encoder reads the prompt, and a decoder of its own writes the rest."""
    rejected: tuple[tuple[int, ...], ...] = ()
    """Token ids of the same prompt with each answer that was rejected."""

    @property
    def every(self) -> tuple[tuple[int, ...], ...]:
        """The sequence, and those of the rejected answers."""
        return (self.ids, *self.rejected)


@dataclass
class Tally:
    """What there is to tell of the examples that were encoded: their ids, by what was found."""

    cut: set[str] = field(default_factory=set)
    """Their input lost its end, or a conversation its beginning."""
    emptied: set[str] = field(default_factory=set)
    """Of these, nothing of the input is left."""
    cut_targets: set[str] = field(default_factory=set)
    """Their target lost its end."""
    special: dict[str, list[str]] = field(default_factory=dict)
    """Special tokens stand in them; and which."""
    framed: set[str] = field(default_factory=set)
    """They brought the token that starts or ends a text, which is not written twice."""
    foreign: dict[str, list[str]] = field(default_factory=dict)
    """Tokens of other models' templates stand in them; and which."""
    unknown: set[str] = field(default_factory=set)
    """They hold what the tokenizer has no token for."""
    formatted: set[str] = field(default_factory=set)
    """Their prompt is in the chat template already, which is put around it once more."""


class Encoder:
    """Turns examples into token ids for one tokenizer, task and template; notes what it found."""

    def __init__(self, tokenizer: Any, task: Task, template: Template, seq_len: int) -> None:
        self.tokenizer = tokenizer
        self.task = task
        self.template = template
        self.seq_len = seq_len
        self.tally = Tally()
        if task.learns_prompts and template.paired:
            raise ModelError(
                f"'{task.id}' cannot take a loss on prompts here: an encoder reads them, and the "
                "decoder writes answers alone."
            )
        opening = template.prompt("x").count(tokenizer.bos_token_id)
        self._start = tokenizer.bos_token if opening == 1 else None
        end = template.end
        self._ends = [tokenizer.eos_token, *([tokenizer.decode([end])] if end is not None else [])]

    def bare(self, example: Example) -> Example:
        """The example without what the template writes as well: the tokens that start and end it.

        A prompt is not made to start with a second of them, no target to end with one, and no
        metric to read their letters.
        """
        references, rejected = (
            tuple(without_end(text, self._ends) for text in texts)
            for texts in (example.references, example.rejected)
        )
        before, said = example.before, example.input
        if self._start and not example.turns:
            said = said if before else said.removeprefix(self._start)
            before = before and before.removeprefix(self._start)
        made = replace(example, before=before, input=said, references=references, rejected=rejected)
        if made != example:
            self.tally.framed.add(example.id)
        return made

    def prompt(self, example: Example, room: int) -> list[int]:
        """The prompt in at most `room` tokens.

        Where it is too long, the oldest turns of a conversation go, and then the input's end.
        """
        self._look(example)
        ids = self._ids(example)
        while len(ids) > room and (example.input or example.turns):
            self.tally.cut.add(example.id)
            example = self._shorter(example, len(ids) - room)
            ids = self._ids(example)
            if not example.input:
                self.tally.emptied.add(example.id)
        return ids[:room]

    def sequence(self, example: Example) -> Tokens:
        """The prompt, and the first reference with the token that ends it, within `seq_len`.

        Where both do not fit, the prompt is cut first, down to what stands around its input. Only
        a target for which that is too little loses its end. Answers that were rejected have the
        same prompt, which leaves room for the longest.
        """
        if self.task.running_text:
            return self.sequences(example)[0]
        answers = [example.references[0], *example.rejected]
        targets = [self.template.target(text) for text in answers]
        longest = max(map(len, targets))
        if longest > self.seq_len // 2:
            bare = self._ids(replace(example, input="", turns=()))
            room = self.seq_len - min(self.seq_len // 2, len(bare))
            if longest > room:
                self.tally.cut_targets.add(example.id)
                longest, targets = room, [target[:room] for target in targets]
        prompt = self.prompt(example, self.seq_len - longest)
        ids, *rejected = (tuple(prompt + target) for target in targets)
        return Tokens(ids, len(prompt), self.template.paired, tuple(rejected))

    def trained(self, example: Example) -> list[Tokens]:
        """What training has of it: with a loss on the prompt too, where the task wants one."""
        made = self.sequences(example)
        if not self.task.learns_prompts:
            return made
        return [replace(s, prompt=min(1, s.prompt)) for s in made]  # nothing predicts the first

    def sequences(self, example: Example) -> list[Tokens]:
        """All of it: one sequence, but for a text that goes on, every token of which is in one.

        Each begins with the token before its first, which has its loss where it was the last.
        """
        if not self.task.running_text:
            return [self.sequence(example)]
        self._look(example)
        ids = self.template.prompt("") + self.template.target(example.references[0])
        if self.tokenizer.unk_token_id in ids[1:]:
            self.tally.unknown.add(example.id)
        starts = range(0, max(1, len(ids) - 1), self.seq_len - 1)
        return [Tokens(tuple(ids[i : i + self.seq_len]), 1) for i in starts]

    def opening(self, example: Example, room: int) -> list[int]:
        """What a prediction goes on from: the prompt, or the beginning of a text that goes on."""
        if not self.task.running_text:
            return self.prompt(example, room)
        ids = self.template.prompt("") + self.template.target(example.references[0])
        return ids[: max(1, min(room, OPENING, len(ids) // 2))]

    def length(self, example: Example) -> int:
        """Tokens of the whole prompt and its target, however long a sequence may be."""
        return len(self._ids(example)) + len(self.template.target(example.references[0]))

    def _ids(self, example: Example) -> list[int]:
        """The whole prompt."""
        chat = {"chat": self.template.name == "chat"}
        with blamed("task", self.task.id, "around"):
            before, after = self.task.around(example, **wanted(self.task.around, **chat))
        covered: dict[str, str] = {}

        def safe(said: str) -> str:
            text, names = self.template.special.cover(said)
            covered.update(names)
            return text

        if example.before is not None:  # these are the row's own words, not the task's
            before, after = safe(before), safe(after)
        request = f"{before}{safe(example.input)}{after}"
        earlier = [Turn(turn.role, safe(turn.text)) for turn in example.turns]
        with blamed("task", self.task.id, "write"):
            written = self.task.write([*earlier, Turn("user", request)], self.tokenizer)
        if written is not None:
            return self.template.special.encode(written, covered)
        return self.template.prompt(request, earlier, covered)

    def _look(self, example: Example) -> None:
        """Note what the data bring that the template writes as well."""
        special = self.template.special.within("\n".join([example.content, *example.references]))
        if special:
            self.tally.special[example.id] = special
        text = "\n".join([example.content, *example.references])
        foreign = [t for t in FOREIGN.findall(text) if t not in self.template.special.known]
        if foreign:
            self.tally.foreign[example.id] = foreign
        closing = self.template.closing
        if closing and example.content.rstrip().endswith(closing):
            self.tally.formatted.add(example.id)

    def _shorter(self, example: Example, excess: int) -> Example:
        spoken = [i for i, turn in enumerate(example.turns) if turn.role != "system"]
        if spoken or not example.input:
            gone = spoken[:2] or range(len(example.turns))
            turns = tuple(t for i, t in enumerate(example.turns) if i not in gone)
            return replace(example, turns=turns)
        return replace(example, input=self._shorten(example.input, excess))

    def _shorten(self, text: str, excess: int) -> str:
        if not self.tokenizer.is_fast:  # it does not say where in a text its tokens stand
            count = len(self.tokenizer(text, add_special_tokens=False)["input_ids"])
            return text[: max(0, len(text) * (count - excess) // count)] if count else ""
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        offsets = encoded["offset_mapping"]
        keep = len(offsets) - excess
        if keep <= 0:
            return ""
        # Several tokens may share a character: cut before it, or nothing would be cut at all.
        return text[: min(offsets[keep - 1][1], offsets[keep][0], len(text) - 1)]


def remarks(tally: Tally, settings: Settings, examples: int, role: str) -> Iterator[str]:
    """A sentence for each thing that was found of the examples of one role."""
    of = f"of {examples} {role} examples"
    if tally.cut:
        left = f"; of {len(tally.emptied)} nothing is left" if tally.emptied else ""
        yield (
            f"{len(tally.cut)} {of} lost the end of their input, to fit {settings.seq_len} tokens "
            f"(--seq-len){left}."
        )
    if tally.cut_targets:
        so = ": they teach no end" if role == "training" else ""
        yield (
            f"{len(tally.cut_targets)} {of} lost the end of their target, which does not fit "
            f"{settings.seq_len} tokens{so}. Raise --seq-len."
        )
    if tally.framed:
        yield (
            f"{len(tally.framed)} {of} bring a token that starts or ends a text, which is not "
            "written twice."
        )
    if tally.formatted:
        yield (
            f"{len(tally.formatted)} {of} are written in a chat template already, which is put "
            "around them once more: --template plain --special-tokens tokens takes them as they "
            "are."
        )
    if tally.foreign:
        yield (
            f"{len(tally.foreign)} {of} hold tokens of another model's template "
            f"({_named(tally.foreign)}), which are text to this one: take them out of the data."
        )
    if tally.unknown:
        yield (
            f"{len(tally.unknown)} {of} hold what the tokenizer has no token for, and all of that "
            "is one token to the model: no loss here tells how well it is learnt."
        )
    if tally.special and settings.special_tokens == "text":
        yield (
            f"{len(tally.special)} {of} hold special tokens ({_named(tally.special)}), which are "
            "read as text: --special-tokens tokens has them read as tokens."
        )


def _named(tokens: Mapping[str, Sequence[str]]) -> str:
    return listed(list(dict.fromkeys(t for names in tokens.values() for t in names)))
