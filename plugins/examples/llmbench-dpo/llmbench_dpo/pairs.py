"""`python -m llmbench_dpo.pairs DATA OUT`: preference pairs from data that have no such thing.

The chosen answer is a row's own, and the rejected one that of the row after it: a pair tells an
answer that belongs to its prompt from one that does not. Real preferences are harder; this is for
a first try on data that are at hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from llmbench import plugin
from llmbench.plugin.task import Example
from llmbench.source import data


def pairs(examples: Sequence[Example], before: str, after: str) -> list[dict[str, str]]:
    """A row for each example; one whose next answer is the same is left out."""
    following = [*examples[1:], examples[0]]
    return [
        {
            "prompt": f"{before}{one.input}{after}",
            "chosen": one.references[0],
            "rejected": other.references[0],
        }
        for one, other in zip(examples, following, strict=True)
        if one.references[0] != other.references[0]
    ]


def main(source: str, target: str) -> None:
    """Read any data that `--task summarization` reads, and write JSON lines."""
    task = plugin.registry().tasks.get("summarization")
    examples = data.read(source, task).examples
    rows = pairs(examples, *task.around(examples[0]))
    Path(target).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
