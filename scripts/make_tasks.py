"""Write the small data of the tasks beside summarisation: `python scripts/make_tasks.py`.

They are made here from our own words, so that the package can ship them, and from one seed, so
that every run writes the same bytes.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import english_german
import instruction_rows
import play_text
import question_rows
import review_rows

DATA = Path(__file__).parents[1] / "plugins" / "llmbench_tasks" / "data"
SEED = 20261127
TRAIN_ROWS = 160
EVAL_ROWS = 40

Rows = list[dict[str, Any]]
TASKS: dict[str, Callable[[random.Random, int], Rows]] = {
    "classification": review_rows.rows,
    "instructions": instruction_rows.rows,
    "question-answering": question_rows.rows,
    "translation": english_german.rows,
}
"""For each task, a function that makes so many different rows."""


def splits(task: str) -> dict[str, Rows]:
    """The rows to train on and those to evaluate with."""
    made = TASKS[task](random.Random(f"{SEED} {task}"), TRAIN_ROWS + EVAL_ROWS)
    return {"train": made[:TRAIN_ROWS], "eval": made[TRAIN_ROWS:]}


def lines(rows: Rows) -> str:
    """The rows as a file has them."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


TEXTS = {"train": 140_000, "eval": 40_000}
"""Characters of the text for language modelling, in two plays."""


def play(split: str) -> str:
    """A text that goes on, in a file of its own."""
    return play_text.text(random.Random(f"{SEED} play {split}"), TEXTS[split])


def main() -> None:
    """Write every file."""
    for split in TEXTS:
        path = DATA / f"language-modelling-{split}.txt"
        path.write_text(play(split), encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size} bytes")
    for task in TASKS:
        for split, rows in splits(task).items():
            path = DATA / f"{task}-{split}.jsonl"
            path.write_text(lines(rows), encoding="utf-8")
            print(f"{path.name}: {len(rows)} rows")


if __name__ == "__main__":
    main()
