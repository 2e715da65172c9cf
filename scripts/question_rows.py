"""Texts on villages that do not exist, and questions on them, as SQuAD keeps them."""

from __future__ import annotations

import random
from typing import Any

STARTS = ("Alden", "Bram", "Corn", "Dunn", "Esk", "Fern", "Gorse", "Hazel", "Ivel", "Kell")
ENDS = ("bridge", "ford", "holm", "mere", "stead", "wick")
RIVERS = ("Arle", "Brock", "Cerne", "Dove", "Ember", "Fenny")
WORKS = ("a mill", "a brewery", "a tannery", "a glass works", "a pottery", "a saw mill")
CRAFTS = ("weavers", "potters", "coopers", "basket makers", "bell founders", "clockmakers")
PEOPLE = ("Anna Reed", "Jonas Hale", "Clara Moss", "Peter Lund", "Ruth Amber", "Hugo Stone")
FEASTS = ("apples", "kites", "lanterns", "bread", "wool", "honey")
MONTHS = ("May", "June", "August", "September", "October")


def text(rng: random.Random) -> tuple[str, list[tuple[str, list[str]]]]:
    """A text of four sentences, and questions with all that is right."""
    place, river = rng.choice(STARTS) + rng.choice(ENDS), rng.choice(RIVERS)
    year, people = rng.randint(1650, 1890), 10 * rng.randint(12, 190)
    work, craft, who = rng.choice(WORKS), rng.choice(CRAFTS), rng.choice(PEOPLE)
    feast, month = rng.choice(FEASTS), rng.choice(MONTHS)
    sentences = [
        f"{place} is a village on the river {river} with {people} inhabitants.",
        f"In {year}, {who} built {work} there.",
        f"For a long time the village was known for its {craft}.",
        f"Every {month} its people hold a feast of {feast}.",
    ]
    tail = sentences[1:]
    rng.shuffle(tail)
    asked = [
        (f"On which river is {place}?", [river, f"the river {river}"]),
        (f"How many inhabitants does {place} have?", [str(people), f"{people} inhabitants"]),
        (f"Who built {work} in {place}?", [who, who.split()[1]]),
        ("When was that built?" if rng.random() < 0.3 else f"When was {work} built in {place}?",
         [str(year), f"In {year}"]),
        (f"What was {place} known for?", [craft, f"its {craft}"]),
        (f"In which month is the feast of {feast}?", [month]),
    ]  # fmt: skip
    return " ".join([sentences[0], *tail]), asked


def rows(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """So many rows, one question each, no text twice."""
    found: dict[str, tuple[str, list[str]]] = {}
    while len(found) < count:
        context, asked = text(rng)
        found.setdefault(context, rng.choice(asked))
    return [
        {
            "context": context,
            "question": question,
            "answers": {"text": right, "answer_start": [context.find(r) for r in right]},
        }
        for context, (question, right) in found.items()
    ]
