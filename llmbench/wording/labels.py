"""Short labels for long names, where a chart or a terminal has no room, and their legend."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from llmbench import text
from llmbench.analysis.standing import Standing
from llmbench.text import split_members

LONG = 14
"""Characters up to which a name is its own label."""
LONGEST = 30
COMPOUND = re.compile(r"(?<![a-z])[a-z]++(?:[-_][a-z]++)+")
"""`gradient-checkpointing`, `learning_rate_factor`: long words that initials can stand for.

Tried at the beginning of a word alone: a name may be one word of 100,000 letters.
"""
OPTIONS = re.compile(r"\(([^()]*)\)")


def labels(names: Sequence[str]) -> dict[str, str]:
    """A label for each name: short, and no two alike."""
    short = _abbreviations(names)
    alone = Counter(OPTIONS.sub("", name) for name in dict.fromkeys(names))
    made = {name: _label(name, short, alone) for name in dict.fromkeys(names)}
    alike, seen = Counter(made.values()), Counter[str]()
    for name, label in made.items():
        if alike[label] > 1:
            seen[label] += 1
            made[name] = f"{label} ({seen[label]})"
    return made


def short_names(standing: Standing) -> dict[str, str]:
    """The label of each row of the table, by the id of its variant."""
    short = labels(list(standing.names.values()))
    return {variant: short[name] for variant, name in standing.names.items()}


def legend(labelled: dict[str, str]) -> str:
    """What the labels stand for, in sentences; empty where each is the name itself.

    Initials are explained once, for all names; a label that is made in another way, by itself.
    """
    short = _abbreviations(labelled)
    shortened = {name: label for name, label in labelled.items() if label != name}
    initials = [n for n, label in shortened.items() if label == _bare(n, short) != _bare(n, {})]
    words = dict.fromkeys(w for n in initials for w in COMPOUND.findall(OPTIONS.sub("", n)))
    pairs = [(short[word], word) for word in words if word in short]
    pairs += [(label, name) for name, label in shortened.items() if name not in initials]
    meanings = [f"{text.code(brief)} is {text.code(meant)}" for brief, meant in pairs]
    if not meanings:
        return ""
    options = any("(" in name for name in initials)
    left_out = " Options that tell no two apart are left out." * options
    return f"In short: {text.listed(meanings, 24)}.{left_out}"


def _bare(name: str, short: dict[str, str]) -> str:
    """The name without options, and with initials for long words."""
    return _abbreviated(OPTIONS.sub("", name), short)


def _label(name: str, short: dict[str, str], alone: Counter[str]) -> str:
    if len(name) <= LONG:
        return name
    if alone[OPTIONS.sub("", name)] == 1:
        name = OPTIONS.sub("", name)
    if len(name) > LONG:
        name = "+".join(_member(member, short) for member in split_members(name))
    return text.short(name, LONGEST)


def _member(member: str, short: dict[str, str]) -> str:
    """`lora, r 64` of `lora(r=64)`."""
    options = OPTIONS.search(member)
    said = [_option(o.strip(), short) for o in options[1].split(",")] if options else []
    return ", ".join([_abbreviated(OPTIONS.sub("", member), short), *said])


def _option(option: str, short: dict[str, str]) -> str:
    name, _, value = option.partition("=")
    factor = name.removesuffix("_factor")
    if factor != name:
        return f"{_initials(factor)}\N{MULTIPLICATION SIGN}{value}"
    return f"{_abbreviated(name, short)} {value}"


def _abbreviated(label: str, short: dict[str, str]) -> str:
    return COMPOUND.sub(lambda match: short.get(match[0], match[0]), label)


def _abbreviations(names: Iterable[str]) -> dict[str, str]:
    """Initials for each long compound word, but where two words would have the same."""
    words = dict.fromkeys(w for name in names for w in COMPOUND.findall(name))
    initials = {word: _initials(word) for word in words}
    counts = Counter(initials.values())
    return {word: short for word, short in initials.items() if counts[short] == 1}


def _initials(word: str) -> str:
    return "".join(part[0] for part in re.split("[-_]", word))
