"""Small instructions that have one right answer, in Alpaca's fields."""

from __future__ import annotations

import random
from collections.abc import Callable

Row = tuple[str, str, str]
"""Instruction, input and output."""
WORDS = (
    "apple", "river", "stone", "lamp", "garden", "window", "bread", "horse", "paper", "cloud",
    "winter", "button", "ladder", "kettle", "forest", "market", "candle", "pencil", "basket",
    "mirror",
)  # fmt: skip
OPPOSITES = (
    ("hot", "cold"), ("big", "small"), ("early", "late"), ("full", "empty"), ("open", "closed"),
    ("light", "dark"), ("old", "new"), ("wet", "dry"), ("loud", "quiet"), ("high", "low"),
    ("fast", "slow"), ("rich", "poor"), ("thick", "thin"), ("near", "far"), ("soft", "hard"),
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
KINDS = {
    "animal": ("horse", "cow", "goose", "cat", "hare", "badger"),
    "fruit": ("apple", "pear", "plum", "cherry", "fig", "quince"),
    "tool": ("hammer", "saw", "rake", "chisel", "spade", "file"),
    "colour": ("red", "green", "blue", "yellow", "white", "brown"),
}


def some(rng: random.Random, least: int = 3, most: int = 5) -> list[str]:
    """A few different words."""
    return rng.sample(WORDS, rng.randint(least, most))


def ordered(rng: random.Random) -> Row:
    """Words to their order in a dictionary."""
    words = some(rng)
    return "Sort these words alphabetically.", ", ".join(words), ", ".join(sorted(words))


def counted(rng: random.Random) -> Row:
    """Words to their number."""
    words = some(rng, 2, 9)
    return "How many words are these?", " ".join(words), str(len(words))


def turned(rng: random.Random) -> Row:
    """Words to the same from the last to the first."""
    words = some(rng)
    return "Write this list from its end.", ", ".join(words), ", ".join(reversed(words))


def shouted(rng: random.Random) -> Row:
    """Words to capital letters."""
    words = " ".join(some(rng, 2, 4))
    return "Write this in capital letters.", words, words.upper()


def opposite(rng: random.Random) -> Row:
    """A word to its opposite."""
    pair = list(rng.choice(OPPOSITES))
    rng.shuffle(pair)
    wording = rng.choice(("What is the opposite of {}?", "Name the opposite of {}."))
    return wording.format(pair[0]), "", pair[1]


def added(rng: random.Random) -> Row:
    """Two numbers to their sum."""
    one, other = rng.randint(2, 60), rng.randint(2, 40)
    return f"Add {one} and {other}.", "", str(one + other)


def following(rng: random.Random) -> Row:
    """A day to another of the week."""
    day, after = rng.randrange(7), rng.randint(1, 3)
    days = "the day" if after == 1 else f"{after} days"
    return f"Which day is {days} after {DAYS[day]}?", "", DAYS[(day + after) % 7]


def odd(rng: random.Random) -> Row:
    """Words to the one that does not belong."""
    kind, other = rng.sample(sorted(KINDS), 2)
    alien = rng.choice(KINDS[other])
    words = [*rng.sample(KINDS[kind], 3), alien]
    rng.shuffle(words)
    return f"Which of these is no {kind}?", ", ".join(words), alien


MAKERS: tuple[Callable[[random.Random], Row], ...] = (
    *(ordered, counted, turned, shouted),
    *(opposite, added, following, odd),
)


def rows(rng: random.Random, count: int) -> list[dict[str, str]]:
    """So many rows, no question twice."""
    found: dict[tuple[str, str], str] = {}
    while len(found) < count:
        instruction, about, answer = rng.choice(MAKERS)(rng)
        found.setdefault((instruction, about), answer)
    return [{"instruction": i, "input": about, "output": o} for (i, about), o in found.items()]
