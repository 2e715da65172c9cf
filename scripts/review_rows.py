"""Short reviews of places to eat: bad, fair or good."""

from __future__ import annotations

import random

PLACES = ("café", "bakery", "restaurant", "canteen", "tea room", "pizzeria")
THINGS = ("soup", "bread", "coffee", "cake", "service", "pasta", "salad", "music")
SAID = {
    "good": (
        "The {thing} was wonderful, and everybody smiled.", "I have never had better {thing}.",
        "What a pleasure: the {thing} alone is worth the way.", "We stayed for hours and loved it.",
        "I will come back with all my friends.", "Warm, friendly and quick.",
        "The {thing} tasted as if my grandmother had made it.", "Fresh, generous and kind.",
    ),
    "fair": (
        "The {thing} was all right, no more.", "Neither cheap nor dear, neither good nor bad.",
        "One can eat here when it rains.", "The {thing} was as one expects it.",
        "An ordinary place for an ordinary day.", "I have nothing to praise and nothing to blame.",
        "It fills the stomach.", "The {thing} was average.",
    ),
    "bad": (
        "The {thing} was cold, and nobody cared.", "I waited for an hour and then left.",
        "Never again.", "The {thing} made me ill.", "Rude, slow and dirty.",
        "I would not send my worst neighbour here.", "They charged twice for a burnt {thing}.",
        "A waste of money and of an evening.",
    ),
}  # fmt: skip


def rows(rng: random.Random, count: int) -> list[dict[str, str]]:
    """So many reviews, the labels in turn, none twice."""
    found: dict[str, str] = {}
    labels = sorted(SAID)
    while len(found) < count:
        label = labels[len(found) % len(labels)]
        first, second = rng.sample(SAID[label], 2)
        thing, other = rng.sample(THINGS, 2)
        place = f"We tried the {rng.choice(PLACES)} {rng.choice(('in town', 'by the lake'))}."
        said = f"{place} {first.format(thing=thing)} {second.format(thing=other)}"
        found.setdefault(said, label)
    order = list(found.items())
    rng.shuffle(order)
    return [{"text": said, "label": label} for said, label in order]
