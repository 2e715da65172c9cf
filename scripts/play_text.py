"""A play without end, in lines of verse that are put together from our own words."""

from __future__ import annotations

import random

SPEAKERS = (
    "ADELA", "BERTRAM", "CORIN", "DORABEL", "EDRIC", "FABIAN", "GISELLE", "HAROLD", "THE FOOL",
    "FIRST GUARD", "SECOND GUARD", "THE QUEEN",
)  # fmt: skip
PLACES = (
    "the harbour", "the garden", "the great hall", "the mill", "the old tower", "the road north",
)  # fmt: skip
EVENTS = (
    "Thunder.", "A bell is heard.", "Music within.", "Exit a servant.", "They drink.",
    "Snow falls.",
)  # fmt: skip
WHO = (
    "my lord", "my lady", "good friend", "sweet cousin", "old man", "brave captain", "dear child",
)  # fmt: skip
THINGS = (
    "crown", "letter", "candle", "sword", "ring", "ship", "harvest", "promise", "shadow", "song",
    "river", "window", "garden", "winter", "morning", "stranger", "mirror", "road",
)  # fmt: skip
SUCH = (
    "broken", "silent", "golden", "bitter", "gentle", "distant", "hollow", "patient", "restless",
    "faithful", "frozen", "secret", "weary", "burning",
)  # fmt: skip
DO = (
    "keeps", "forgets", "carries", "wakes", "follows", "answers", "betrays", "remembers", "hides",
    "outlives", "calls", "mends",
)  # fmt: skip
WHEN = ("before the dawn", "when bells are still", "till summer ends", "this very night",
        "beyond the hills", "while others sleep", "ere we grow old", "in time of war")  # fmt: skip
LINES = (
    "The {such} {thing} {do} the {other} {when}.",
    "What {thing} is this, {who}, that {do} my {other}?",
    "I saw the {thing} {when}, and wept.",
    "Speak not of {thing} or {other} here, {who}.",
    "No {such} {thing} {do} a {other} twice.",
    "If every {thing} were {such}, who would fear?",
    "Come, {who}, and bring the {such} {thing}.",
    "My {thing} is {such}, yet my {other} is {also}.",
    "There lies the {thing} that {do} us {when},",
    "And he who {do} the {thing} must lose the {other}.",
    "O {such} {thing}! O {other} of my heart!",
    "Then let the {thing} be {such} {when}.",
    "I thank you, {who}; the {thing} is yours.",
    "Not so: the {thing} was {such}, and so am I.",
)


def line(rng: random.Random) -> str:
    """A line of verse."""
    thing, other = rng.sample(THINGS, 2)
    such, also = rng.sample(SUCH, 2)
    made = rng.choice(LINES).format(
        such=such, also=also, thing=thing, other=other,
        do=rng.choice(DO), when=rng.choice(WHEN), who=rng.choice(WHO),
    )  # fmt: skip
    return made[0].upper() + made[1:]


def speech(rng: random.Random, cast: list[str]) -> str:
    """Somebody's lines, below a name."""
    lines = [line(rng) for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))]
    if rng.random() < 0.15:
        lines.append(f"[{rng.choice(EVENTS)}]")
    return "\n".join([f"{rng.choice(cast)}:", *lines])


def text(rng: random.Random, characters: int) -> str:
    """Scenes of at least so many characters, with blank lines between speeches."""
    parts: list[str] = []
    number = 0
    while sum(map(len, parts)) + 2 * len(parts) < characters:
        number += 1
        cast = rng.sample(SPEAKERS, rng.randint(3, 5))
        parts.append(f"SCENE {number}. {rng.choice(PLACES).capitalize()}.")
        parts += [speech(rng, cast) for _ in range(rng.randint(8, 20))]
    return "\n\n".join(parts) + "\n"
