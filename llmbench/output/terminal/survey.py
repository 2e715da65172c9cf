"""What `--dry-run` shows of the data: fields, lengths, what is cut, and a prompt as written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from llmbench.config.setup import Setup
from llmbench.plugin import named
from llmbench.plugin.task import Example
from llmbench.run import inputs
from llmbench.run.inputs import Inputs
from llmbench.source import tokenizer
from llmbench.source.data import Data, sample
from llmbench.text import aligned, cut, plural
from llmbench.worker import template
from llmbench.worker.encoding import Encoder, Tally, remarks

MOST_EXAMPLES = 5000
"""Of one role whose lengths are looked at: some seconds' work."""
MOST_CHARACTERS = 1500
"""Of a prompt that are shown."""


@dataclass(frozen=True)
class Length:
    """How long the longest prompt with its target is, and what was tally of all."""

    tokens: int
    example: str
    tally: Tally
    examples: int
    """How many were looked at."""


def survey(setup: Setup, chosen: Inputs) -> Iterator[str]:
    """Lines on the data that the cells would be fed; none of random tokens."""
    used = {"training": chosen.train, "validation": chosen.validation, "evaluated": chosen.evaluate}
    roles = {role: data for role, data in used.items() if data}
    if not roles or chosen.train is None:
        return
    encoder = _encoder(setup)
    lengths = {role: _measured(encoder, data) for role, data in roles.items()} if encoder else {}
    header = ("DATA", "NAME", "EXAMPLES", "PROMPT FROM", "TARGET FROM", "FORMAT", "LONGEST")
    yield aligned(header, [_row(role, data, lengths.get(role)) for role, data in roles.items()])
    yield ""
    notices = [*inputs.notices(chosen), *_said(setup, roles, lengths)]
    if notices:
        yield from (f"- {line}" for line in notices)
        yield ""
    yield from _prompt(chosen.train.examples[0], encoder)
    yield ""


def _encoder(setup: Setup) -> Encoder | None:
    """What turns examples into tokens as a cell does; None where the model's files are not here."""
    files = tokenizer.of(setup.source)
    if files is None:
        return None
    task, settings = named.task(setup.config.task), setup.config.settings
    asked = (settings.template, setup.source.id, settings.special_tokens)
    written = template.choose(files, *asked, files.paired, task.running_text)
    return Encoder(files, task, written, settings.seq_len)


def _measured(encoder: Encoder, data: Data) -> Length:
    encoder.tally = Tally()
    examples = [encoder.bare(e) for e in sample(data, MOST_EXAMPLES).examples]
    longest = max(examples, key=encoder.length)
    for example in examples:
        encoder.sequence(example)
    return Length(encoder.length(longest), longest.id, encoder.tally, len(examples))


def _row(role: str, data: Data, length: Length | None) -> tuple[str, ...]:
    count, total = len(data.examples), data.total
    examples = f"{count:,}" if count == total else f"{count:,} of {total:,}"
    longest = f"{length.tokens:,} tokens (example {length.example})" if length else "not known"
    return role, data.name, examples, data.input_field, data.target_field, data.format, longest


def _said(setup: Setup, roles: Mapping[str, Data], lengths: Mapping[str, Length]) -> Iterator[str]:
    if not lengths:
        yield (
            f"The tokenizer of '{setup.source.id}' is not on this machine yet: lengths are not "
            "known, and the prompt is shown without its template."
        )
    for role, length in lengths.items():
        yield from remarks(length.tally, setup.config.settings, length.examples, role)
        if length.examples < len(roles[role].examples):
            yield f"Of {role} examples, {length.examples:,} were looked at, chosen at random."


def _prompt(example: Example, encoder: Encoder | None) -> Iterator[str]:
    """The first example to train on, as the model gets it, and what it is to answer."""
    if encoder is None:
        prompt, target = example.content, example.references[0]
        yield "THE FIRST PROMPT, without a template"
    else:
        sequence = encoder.sequence(encoder.bare(example))
        prompt = encoder.tokenizer.decode(sequence.ids[: sequence.prompt])
        target = encoder.tokenizer.decode(sequence.ids[sequence.prompt :])
        name, tokens = encoder.template.name, plural(len(sequence.ids), "token")
        yield f"THE FIRST PROMPT ({name} template, {tokens} with its target)"
    yield from _quoted(prompt)
    yield "ITS TARGET"
    yield from _quoted(target)


def _quoted(said: str) -> Iterator[str]:
    return (f"  | {line}".rstrip() for line in cut(said, MOST_CHARACTERS).split("\n"))
