"""What a task or a model of a plugin is tried with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llmbench.errors import PluginError
from llmbench.plugin.model import Model
from llmbench.plugin.task import INPUT, Task

ROWS = 8
LARGEST = 50_000_000
"""Parameters of a model that is tried: more would take minutes on a CPU."""


class Unfit(Exception):
    """What cannot be tried here; the reason goes on after a comma."""


def task_options(task: Task, folder: Path) -> dict[str, Any]:
    """Options for a comparison on the task, with data of its own or such as its template names."""
    if task.train_file and task.eval_file:
        return {"task": task.id}
    if type(task).read is not Task.read:
        raise Unfit("since it reads rows of its own and has no data: give it a train and eval file")
    inputs = [task.input_fields[0] if place == INPUT else place for place in task.places]
    folder.mkdir(parents=True, exist_ok=True)
    files = {"data": folder / "train.jsonl", "eval_data": folder / "eval.jsonl"}
    for start, path in enumerate(files.values()):
        rows = [_row(inputs, task.target_fields[0], f"{start}{number}") for number in range(ROWS)]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return {"task": task.id, **{name: str(path) for name, path in files.items()}}


def _row(inputs: list[str], target: str, number: str) -> dict[str, str]:
    return {**{name: f"Text {number} of {name}." for name in inputs}, target: f"Answer {number}."}


def model_options(model: Model) -> dict[str, Any]:
    """Options for a comparison of the model, with random weights where it ships none."""
    if model.folder:
        return {"model": model.id}
    if not model.config:
        raise Unfit("since its weights are on a hub: give it a config to try its shape")
    try:
        shape = json.loads((model.config / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PluginError(
            f"The config of '{model.id}' cannot be read ({type(error).__name__}): "
            "ship a config.json with the plugin."
        ) from None
    if _parameters(shape) > LARGEST:
        raise Unfit("since it is too large to be tried on any machine")
    return {"model": model.id, "weights": "random"}


def _parameters(shape: dict[str, Any]) -> int:
    """About how many parameters a transformer of the shape has."""
    width, layers = int(shape.get("hidden_size") or 0), int(shape.get("num_hidden_layers") or 0)
    return 12 * layers * width**2 + 2 * width * int(shape.get("vocab_size") or 0)
