"""The task `placeholder` for llmbench, with data of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llmbench import hookimpl
from llmbench.plugin.task import Task

LLMBENCH_HOOKS = 1

HERE = Path(__file__).parent

PLACEHOLDER_TASK = Task(
    id="placeholder",
    summary="a list of words to the longest of them",
    template="Name the longest of these words.\n\n{words}\n\nLongest word:",
    target_fields=("longest",),
    train_file=HERE / "train.jsonl",
    eval_file=HERE / "eval.jsonl",
    metrics=("exact-match",),
)
"""Fields of the data stand in braces. Put your prompt and your data in place of these."""


@hookimpl
def register_tasks(register: Callable[[Task], None]) -> None:
    """Offer `placeholder`."""
    register(PLACEHOLDER_TASK)
