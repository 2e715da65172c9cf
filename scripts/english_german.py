"""English sentences and the same in German, put together from our own words by both grammars."""

from __future__ import annotations

import random
from typing import NamedTuple


class Noun(NamedTuple):
    """A thing or a person; German has three genders."""

    english: str
    german: str
    gender: str


class Verb(NamedTuple):
    """What one does to a thing: `she buys`, `to buy` and `she has bought`."""

    english: str
    base: str
    past: str
    german: str
    participle: str


PEOPLE = (
    Noun("woman", "Frau", "f"), Noun("man", "Mann", "m"), Noun("child", "Kind", "n"),
    Noun("teacher", "Lehrerin", "f"), Noun("farmer", "Bauer", "m"), Noun("girl", "Mädchen", "n"),
    Noun("doctor", "Ärztin", "f"), Noun("gardener", "Gärtner", "m"),
)  # fmt: skip
THINGS = (
    Noun("book", "Buch", "n"), Noun("letter", "Brief", "m"), Noun("newspaper", "Zeitung", "f"),
    Noun("apple", "Apfel", "m"), Noun("cup", "Tasse", "f"), Noun("bicycle", "Fahrrad", "n"),
    Noun("coat", "Mantel", "m"), Noun("lamp", "Lampe", "f"), Noun("key", "Schlüssel", "m"),
    Noun("picture", "Bild", "n"), Noun("clock", "Uhr", "f"), Noun("table", "Tisch", "m"),
)  # fmt: skip
VERBS = (
    Verb("buys", "buy", "bought", "kauft", "gekauft"),
    Verb("finds", "find", "found", "findet", "gefunden"),
    Verb("brings", "bring", "brought", "bringt", "gebracht"),
    Verb("sees", "see", "seen", "sieht", "gesehen"),
    Verb("carries", "carry", "carried", "trägt", "getragen"),
    Verb("sells", "sell", "sold", "verkauft", "verkauft"),
    Verb("looks for", "look for", "looked for", "sucht", "gesucht"),
    Verb("paints", "paint", "painted", "malt", "gemalt"),
)
ADJECTIVES = (
    ("old", "alt"), ("new", "neu"), ("small", "klein"), ("red", "rot"), ("beautiful", "schön"),
    ("heavy", "schwer"), ("green", "grün"), ("cheap", "billig"),
)  # fmt: skip
WHEN = (("Today", "Heute"), ("In the morning", "Am Morgen"), ("Now", "Jetzt"))
WHERE = (
    ("in the garden", "im Garten"), ("at the station", "am Bahnhof"),
    ("in the town", "in der Stadt"), ("in the kitchen", "in der Küche"),
    ("at the market", "auf dem Markt"),
)  # fmt: skip
NOMINATIVE = {"m": "der", "f": "die", "n": "das"}
ACCUSATIVE = {"m": "den", "f": "die", "n": "das"}


def who(noun: Noun) -> tuple[str, str]:
    """Whoever does it: `the woman`, `die Frau`."""
    return f"the {noun.english}", f"{NOMINATIVE[noun.gender]} {noun.german}"


def what(noun: Noun, adjective: tuple[str, str] | None) -> tuple[str, str]:
    """What it is done to: `the red coat`, `den roten Mantel`."""
    article = ACCUSATIVE[noun.gender]
    if adjective is None:
        return f"the {noun.english}", f"{article} {noun.german}"
    ending = "en" if noun.gender == "m" else "e"
    return f"the {adjective[0]} {noun.english}", f"{article} {adjective[1]}{ending} {noun.german}"


def sentence(rng: random.Random) -> tuple[str, str]:
    """One sentence in both languages, in one of six forms."""
    (she, sie), (it, es) = (
        who(rng.choice(PEOPLE)),
        what(rng.choice(THINGS), rng.choice((None, *ADJECTIVES))),
    )
    verb, (where, wo), (when, wann) = rng.choice(VERBS), rng.choice(WHERE), rng.choice(WHEN)
    forms = (
        (f"{she} {verb.english} {it}.", f"{sie} {verb.german} {es}."),
        (f"{she} {verb.english} {it} {where}.", f"{sie} {verb.german} {es} {wo}."),
        (f"{when} {she} {verb.english} {it}.", f"{wann} {verb.german} {sie} {es}."),
        (f"{she} does not {verb.base} {it}.", f"{sie} {verb.german} {es} nicht."),
        (f"does {she} {verb.base} {it} {where}?", f"{verb.german} {sie} {es} {wo}?"),
        (f"{she} has {verb.past} {it}.", f"{sie} hat {es} {verb.participle}."),
    )
    english, german = rng.choice(forms)
    return english[0].upper() + english[1:], german[0].upper() + german[1:]


def rows(rng: random.Random, count: int) -> list[dict[str, dict[str, str]]]:
    """So many rows as data sets of translations have them, no sentence twice."""
    found: dict[str, str] = {}
    while len(found) < count:
        english, german = sentence(rng)
        found.setdefault(english, german)
    return [{"translation": {"en": english, "de": german}} for english, german in found.items()]
