"""What tells an answer beforehand: targets within their inputs, and examples in both data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from llmbench.errors import DataError
from llmbench.plugin.task import Example
from llmbench.source.formats import Format

LEAST_TO_TELL = 5
"""Examples; of fewer, an input that holds its target may be chance."""
MOST_OF = 0.9
"""The share of examples whose inputs hold their targets from which on that is no chance."""
SENTENCE = 20
"""Characters of a target that cannot stand in its input by chance."""
AT_END = re.compile(r"(\s|<[^<>\s]{1,30}>|[.#*\[\]-])+$")
"""What may follow an answer: white space, tokens that end a turn or a text, signs."""


def given_away(name: str, examples: Sequence[Example], form: Format, named: bool) -> Iterator[str]:
    """A notice where inputs hold their targets; DataError where that cannot be meant.

    An answer at the end of its input is given away, as in a field that has prompt and answer in
    one. A sentence elsewhere in it may be what is to be found, if whoever names the fields says so.
    """
    if form.extracts or len(examples) < LEAST_TO_TELL:
        return
    inputs = [_plain(e.input) for e in examples]
    targets = [_plain(e.references[0]) for e in examples]
    pairs = list(zip(inputs, targets, strict=True))
    at_end = sum(i.endswith(t) for i, t in pairs)
    within = sum(len(t) >= SENTENCE and t in i for i, t in pairs)
    source, total = ", ".join(form.inputs), len(pairs)
    if at_end >= MOST_OF * total:
        raise DataError(
            f"'{name}' has its target '{form.target}' at the end of its input '{source}' in "
            f"{at_end} of {total} examples, which gives the answer away: name another input "
            "with --input-field."
        )
    if within < MOST_OF * total:
        return
    said = f"'{name}' has its target '{form.target}' within its input '{source}' in {within} of "
    if not named:
        raise DataError(
            f"{said}{total} examples: if it is to be found there, name both with --input-field "
            "and --target-field, else name another input."
        )
    yield f"{said}{total} examples: scores tell whether it is found there."


def _plain(said: str) -> str:
    """A text without its white space, and without tokens and signs at its end."""
    return " ".join(AT_END.sub("", said).split()).casefold()


def in_both(examples: Sequence[Example], others: Sequence[Example]) -> int:
    """How many of the examples are among the others, whatever their spaces, line ends and case."""
    known = {_folded(e) for e in others}
    return sum(_folded(e) in known for e in examples)


def _folded(example: Example) -> str:
    return " ".join(unicodedata.normalize("NFKC", example.content).casefold().split())
