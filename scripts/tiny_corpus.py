"""The text on which the tiny model is pre-trained: endless, and made of our own words.

Dialogues teach the world, lists and questions teach to find a word and to copy it. Never the
summarisation task: no dialogue is followed by a summary, none is a shipped one, and none is about
what an evaluated one is about.
"""

import random
import re
from collections.abc import Iterator, Sequence
from itertools import chain

import dialogue_words as words
from make_dialogues import Example, generate, make_splits

KINDS: dict[str, Sequence[str]] = {
    "people": words.NAMES,
    "days": words.DAYS,
    "times": words.TIMES,
    "places": words.PLACES,
    "tools": words.THINGS,
    "belongings": words.LOSABLE,
    "spots": words.SPOTS,
    "presents": words.GIFTS,
    "occasions": words.OCCASIONS,
    "groceries": words.GROCERIES,
    "dishes": words.DISHES,
    "cities": words.CITIES,
    "vehicles": words.VEHICLES,
    "pets": words.PETS,
    "events": words.EVENTS,
    "chores": words.CHORES,
    "pastimes": words.ACTIVITIES,
}
ALL_WORDS = tuple(chain.from_iterable(KINDS.values()))
PATTERNS = {kind: re.compile(rf"\b(?:{'|'.join(pool)})\b") for kind, pool in KINDS.items()}

# A sentence about somebody, the question that it answers, and the pool of the answer.
FACTS: tuple[tuple[str, str, Sequence[str]], ...] = (
    ("{name} lives in {fact}.", "Where does {name} live?", words.CITIES),
    ("{name} owns a {fact}.", "What does {name} own?", words.THINGS + words.PETS),
    ("{name} is at the {fact}.", "Where is {name}?", words.PLACES),
    ("{name} left on {fact}.", "When did {name} leave?", words.DAYS),
    ("{name} woke up at {fact}.", "When did {name} wake up?", words.TIMES),
    ("{name} found the {fact}.", "What did {name} find?", words.LOSABLE),
    ("{name} slept {fact}.", "Where did {name} sleep?", words.SPOTS),
    ("{name} got {fact}.", "What did {name} get?", words.GIFTS),
    ("{name} likes {fact}.", "What does {name} like?", words.DISHES + words.GROCERIES),
    ("{name} came by {fact}.", "How did {name} come?", words.VEHICLES),
    ("{name} missed the {fact}.", "What did {name} miss?", words.EVENTS),
    ("{name} has to {fact}.", "What does {name} have to do?", words.CHORES),
    ("{name} wants to {fact}.", "What does {name} want to do?", words.ACTIVITIES),
    ("{name} knows {fact}.", "Whom does {name} know?", words.NAMES),
)


def echo(rng: random.Random) -> str:
    """Unrelated words, then the same words again: only copying foretells the second line."""
    line = " ".join(rng.sample(ALL_WORDS, k=rng.randint(6, 24)))
    return f"{line}\n{line}"


def recall(rng: random.Random) -> str:
    """Facts about several people, then questions about them, in any order."""
    names = rng.sample(words.NAMES, k=rng.randint(3, 6))
    told, asked = [], []
    for name in names:
        sentence, question, pool = rng.choice(FACTS)
        fact = rng.choice(pool)
        told.append(sentence.format(name=name, fact=fact))
        asked.append(f"{question.format(name=name)} {fact}")
        asked.append(f"{sentence.format(name='Who', fact=fact)[:-1]}? {name}")
    return " ".join(told) + "\n" + "\n".join(rng.sample(asked, k=len(names)))


def quote(dialogue: str, rng: random.Random) -> str:
    """A dialogue, then the words of each kind that occur in it, then who said what."""
    turns = [turn.partition(": ") for turn in dialogue.split("\n")]
    found = {kind: pattern.findall(dialogue) for kind, pattern in PATTERNS.items()}
    lines = [f"{kind}: {', '.join(dict.fromkeys(hits))}." for kind, hits in found.items() if hits]
    lines += [f'"{said}" said {name}.' for name, _, said in rng.sample(turns, k=2)]
    return "\n".join([dialogue, *rng.sample(lines, k=len(lines))])


def documents(seed: int) -> Iterator[str]:
    """Endless documents, the three kinds in turn."""
    rng = random.Random(seed)
    splits = make_splits()
    shipped = {example.dialogue for example in chain.from_iterable(splits.values())}
    evaluated = {example.gist for example in splits["eval"]}
    for example in generate_unshipped(rng, shipped, evaluated):
        yield quote(example.dialogue, rng)
        yield recall(rng)
        yield echo(rng)


def generate_unshipped(
    rng: random.Random, shipped: set[str], evaluated: set[str]
) -> Iterator[Example]:
    """Dialogues about what no evaluated one is about, and none that is shipped."""
    for example in generate(rng, exclude=evaluated):
        if example.dialogue not in shipped:
            yield example
