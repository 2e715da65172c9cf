"""Comparisons that run no worker."""

from __future__ import annotations

import json

import pytest
from hub import WEIGHTS
from scripted import Heard, Scripted

from llmbench.config.setup import set_up
from llmbench.plugin.catalogue import Plugin
from llmbench.run import comparison
from llmbench.storage.export import Written
from llmbench.storage.store import Store


@pytest.fixture
def scripted(registry, monkeypatch):
    """Compares with the scripted launcher; returns what came of it, what was heard and what ran.

    Nothing is rendered: only what is asked of the run itself is to take time.
    """
    registry.launchers.add("scripted", Scripted, Plugin("test", "test"))
    monkeypatch.setattr(comparison, "export", lambda compared, directory: Written([], []))

    def start(acts, **values):
        Scripted.acts, heard = acts, Heard()
        asked = {"device": "cpu", "launcher": "scripted", "strategies": "full,lora", **values}
        finished = comparison.run(set_up([("test", asked)]), "llmbench compare", heard)
        return finished, heard, Scripted.latest

    return start


@pytest.fixture
def data(tmp_path):
    """A training file and an evaluation file."""
    for name in ("train", "eval"):
        rows = [
            {"id": f"{name}-{i}", "text": f"text {i}", "summary": f"{i} it is"} for i in range(40)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return tmp_path / "train.jsonl", tmp_path / "eval.jsonl"


@pytest.fixture
def run(scripted, data, tmp_path):
    """Runs a comparison with the scripted launcher; returns its store, what was heard and run."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "tokenizer.json").write_text("{}")

    def start(acts=None, **values):
        asked = {
            "model": str(folder),
            "seeds": 1,
            "data": str(data[0]),
            "eval_data": str(data[1]),
            "eval_examples": 5,
            "output": str(tmp_path / "out"),
            **values,
        }
        finished, heard, launcher = scripted(acts or {}, **asked)
        return Store(finished.directory), heard, launcher

    return start
