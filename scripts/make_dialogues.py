"""Write the shipped summarisation set: `python scripts/make_dialogues.py`.

1,000 dialogues to train on and 200 to evaluate with, each with a summary of one sentence. They
are made here from our own words, so that the package can ship them, and from one seed, so that
every run writes the same bytes.
"""

import argparse
import json
import random
from collections.abc import Collection, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import dialogue_words as words
from dialogue_scripts import CLOSINGS, OPENINGS, SCENARIOS, SMALL_TALK_POOLS, Scenario

DATA = Path(__file__).parents[1] / "plugins" / "llmbench_tasks" / "data"
SEED = 20240607
TRAIN_ROWS = 1000
EVAL_ROWS = 200

Fields = dict[str, str | words.Reason]


class Example(NamedTuple):
    """A dialogue and its summary. `gist` is the summary without the speakers' names."""

    dialogue: str
    summary: str
    gist: str


def draw_fields(scenario: Scenario, rng: random.Random) -> Fields:
    """Draw the speakers and the facts, all different, so that every distraction is wrong."""
    speakers = {"a": words.NAMES, "b": words.NAMES}
    pools = {**SMALL_TALK_POOLS, **speakers, **scenario.pools}
    while True:
        fields: Fields = {name: rng.choice(pool) for name, pool in pools.items()}
        ranks = [words.TIMES.index(str(fields[name])) for name in scenario.ordered]
        if len(set(fields.values())) == len(fields) and ranks == sorted(ranks):
            return fields


def speaker(turn: str) -> str:
    """Whatever stands before the colon."""
    return turn.partition(":")[0]


def write_turns(scenario: Scenario, fields: Fields, rng: random.Random) -> list[str]:
    """The script between an opening and a closing, such that the speakers take turns."""
    script = [rng.choice(wordings) for wordings in scenario.turns]
    opening, closing = rng.choice(OPENINGS), rng.choice(CLOSINGS)
    other = {"{a}": "b", "{b}": "a"}
    before = str(other[speaker(script[0])])
    after = str(other[speaker(script[-1])])
    first = before if len(opening) % 2 else other[f"{{{before}}}"]
    turns = [_cast(turn, first) for turn in opening] + script
    turns += [_cast(turn, after) for turn in closing]
    return [turn.format(**fields) for turn in turns]


def _cast(turn: str, x: str) -> str:
    """Give small talk its speakers: `{x}` becomes speaker `x`, `{y}` the other one."""
    y = "b" if x == "a" else "a"
    return turn.replace("{x}", f"{{{x}}}").replace("{y}", f"{{{y}}}")


def make_example(scenario: Scenario, rng: random.Random) -> Example:
    """One example of the scenario, with fresh facts."""
    fields = draw_fields(scenario, rng)
    return Example(
        dialogue="\n".join(write_turns(scenario, fields, rng)),
        summary=scenario.summary.format(**fields),
        gist=scenario.summary.format(**fields | {"a": "A", "b": "B"}),
    )


def generate(rng: random.Random, exclude: Collection[str] = ()) -> Iterator[Example]:
    """Endless different examples, the scenarios in turn, none with a gist in `exclude`."""
    seen: set[str] = set()
    for scenario in cycle(SCENARIOS):
        example = make_example(scenario, rng)
        while example.gist in exclude or example.dialogue in seen or example.summary in seen:
            example = make_example(scenario, rng)
        seen |= {example.dialogue, example.summary}
        yield example


def make_splits(seed: int = SEED) -> dict[str, list[Example]]:
    """Evaluation first: nothing that it is about may then be drawn for training."""
    rng = random.Random(seed)
    evaluation = list(islice(generate(rng), EVAL_ROWS))
    gists = {example.gist for example in evaluation}
    train = list(islice(generate(rng, gists), TRAIN_ROWS))
    rng.shuffle(train)
    rng.shuffle(evaluation)
    check_disjoint(train, evaluation)
    return {"train": train, "eval": evaluation}


def check_disjoint(train: list[Example], evaluation: list[Example]) -> None:
    """No dialogue, no summary and no gist of one split occurs in the other."""
    for name in Example._fields:
        shared = {getattr(x, name) for x in train} & {getattr(x, name) for x in evaluation}
        assert not shared, f"{len(shared)} times the same {name} in both splits"


def to_json_lines(split: str, examples: list[Example]) -> str:
    """A JSON object a line, with the fields `id`, `dialogue` and `summary`."""
    rows = (
        {"id": f"{split}-{number:04d}", "dialogue": x.dialogue, "summary": x.summary}
        for number, x in enumerate(examples)
    )
    return "".join(json.dumps(row) + "\n" for row in rows)


def main() -> None:
    """Write both splits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for split, examples in make_splits().items():
        (out / f"{split}.jsonl").write_text(to_json_lines(split, examples), encoding="utf-8")


if __name__ == "__main__":
    main()
