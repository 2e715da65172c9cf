"""What a reader has to know of how the figures came about, found in the records themselves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from llmbench import text
from llmbench.analysis import checks, fairness, steadiness
from llmbench.analysis.names import named
from llmbench.record.record import Record
from llmbench.record.variant import variants

MOST_WARNINGS = 3
"""Warnings beside the answer: of more, none is read."""
MOST_NAMED = 4
"""Cells of one cause that are named, with what is to be seen of each."""
ROUGH = 0.25
"""By how much the steps of a method that was trained once may vary until that is a warning."""
CUT = re.compile(
    r"(\d+ of \d+ \w+) examples (?:lost the end of their input, to|were cut to) fit (\d+) tokens "
    r"\(--seq-len\)\."
)
"""What workers say, and said in earlier versions, of inputs that are too long."""
MOST_CHARACTERS = 500
"""Shown of what a worker warned of."""


def cautions(records: Sequence[Record]) -> list[str]:
    """Warnings in sentences, names between backticks, what bears on quality first."""
    unfair = map(fairness.sentence, fairness.unfair(records))
    rough, grave = unsteady(records)
    return [*_predictions(records), *unfair, *([rough] if grave else []), *_warned(records)]


def _warned(records: Sequence[Record]) -> Iterator[str]:
    """What workers warned of: a line for all that was said of the same methods."""
    concerned = variants(records)
    names = named([variant.cell for variant in concerned])
    names_of = defaultdict(list)
    for variant in concerned:
        for warning in dict.fromkeys(w for r in variant.records for w in r.warnings):
            names_of[warning].append(text.code(names[variant.cell.id]))
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for warning, methods in names_of.items():
        alike[tuple(methods)].append(warning)
    for group, warnings in alike.items():
        joined = text.cut(" ".join(_cut(warnings)), MOST_CHARACTERS)
        yield joined if len(group) == len(concerned) > 1 else f"{text.listed(group)}: {joined}"


def _cut(warnings: Sequence[str]) -> Iterator[str]:
    """The same, with one sentence for all examples that were cut."""
    matches = [match for warning in warnings if (match := CUT.fullmatch(warning))]
    if matches:
        yield (
            f"{text.listed([match[1] for match in matches])} examples lost the end of their input, "
            f"to fit {matches[0][2]} tokens: no method sees it. Raise --seq-len to keep it."
        )
    yield from (warning for warning in warnings if not CUT.fullmatch(warning))


def _predictions(records: Sequence[Record]) -> Iterator[str]:
    """Warnings if predictions do not depend on their inputs, or do not end."""
    names = named([r.cell for r in records], seeds=True)
    for check, meaning in ((checks.degenerate, checks.MEANING), (checks.endless, checks.ENDLESS)):
        seen = ((names[r.cell.id], what) for r in records if (what := check(r)))
        cells = [f"{text.code(name)} {what}" for name, what in seen]
        if cells:
            yield text.clean(f"{_first(cells)}. {meaning}")


def unsteady(records: Sequence[Record]) -> tuple[str, bool]:
    """How rough the speeds are, in a line; and whether that may change what is picked.

    Several seeds run in turns, and the interval over them covers what drifts; a GPU that others
    use or that was held down is another matter.
    """
    names = named([r.cell for r in records], seeds=True)
    marked = [(mark, names[r.cell.id]) for r in records for mark in steadiness.marks(r)]
    if not marked:
        return "", False
    worst, name = max(marked, key=lambda pair: pair[0].size)
    runs = len({name for _, name in marked})
    timed = text.plural(sum(bool(r.steps) for r in records), "run")
    sentence = (
        f"Speeds are rough: {runs} of {timed} had unsteady steps; {text.code(name)} {worst.what}. "
        f"{worst.cause}"
    )
    several = len({r.cell.seed for r in records}) > 1
    return text.clean(sentence.strip()), worst.disturbed or (worst.size > ROUGH and not several)


def _first(cells: Sequence[str]) -> str:
    more = f"; {len(cells) - MOST_NAMED} more alike" if len(cells) > MOST_NAMED else ""
    return "; ".join(cells[:MOST_NAMED]) + more
