"""A comparison that is over in seconds, for tests of plugins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llmbench.config.config import COMMAND_LINE
from llmbench.config.setup import set_up
from llmbench.plugin import registry
from llmbench.record.comparison import Comparison, Plan
from llmbench.record.events import Event
from llmbench.record.record import Cell, Record
from llmbench.run import comparison

QUICK = {
    "steps": 3,
    "burn_in_steps": 1,
    "batch_size": 2,
    "seq_len": 128,
    "seeds": 1,
    "eval_examples": 2,
    "eval_batch_size": 2,
    "max_new_tokens": 4,
    "validation_examples": 0,
    "tune": False,
    "repeat": False,
    "predict": False,
}
"""Few steps, few examples, no search: whether it works, and nothing of how well."""
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "generation_config.json")


class Silent:
    """Listens to a comparison and says nothing."""

    def start(self, plan: Plan, root: Path) -> None:
        """Nothing."""

    def replan(self, plan: Plan) -> None:
        """Nothing."""

    def cell(self, cell: Cell) -> None:
        """Nothing."""

    def event(self, event: Event, cell: Cell | None = None) -> None:
        """Nothing."""

    def record(self, record: Record, kept: bool) -> None:
        """Nothing."""


def run(folder: Path, **options: Any) -> Comparison:
    """Compare in a folder, briefly: `run(tmp_path, strategies="lora,mine", metrics="rouge")`.

    The options are those of `llmbench compare`, lists as text with commas; the model is the one
    that ships unless it is named. What the comparison found is returned, and a report lies in the
    folder. UserError where it cannot be as asked.
    """
    return finished(folder, **options).comparison


def finished(folder: Path, **options: Any) -> comparison.Finished:
    """The same with what was written, and what plugins failed at."""
    chosen = {"output": str(folder), **QUICK, **options}
    return comparison.run(set_up([(COMMAND_LINE, chosen)]), "llmbench.testing", Silent())


def tiny_model(folder: Path, **config: Any) -> Path:
    """Write a tiny model without weights into a folder, for `weights="random"`, and return it.

    It is a Llama with the shipped tokenizer; `config` replaces values of its `config.json`, such
    as `model_type="qwen3"` with that family's own.
    """
    shipped = registry().models.get("llmbench-tiny").folder
    assert shipped is not None
    folder.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER:
        (folder / name).write_bytes((shipped / name).read_bytes())
    values = json.loads((shipped / "config.json").read_text("utf-8"))
    small = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    if "model_type" in config:
        values.pop("architectures")
    text = json.dumps({**values, **small, **heads, **config}, indent=2)
    (folder / "config.json").write_text(f"{text}\n", "utf-8")
    return folder
