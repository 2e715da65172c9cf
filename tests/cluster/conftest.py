"""Comparisons whose cells run elsewhere, with workers that measure nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hub import WEIGHTS

from llmbench.config.setup import set_up
from llmbench.machine import collect
from llmbench.plugin.catalogue import Plugin
from llmbench.run import comparison
from llmbench.storage.export import Written
from llmbench.storage.store import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "run"))

from scripted import Heard

WORKER = Path(__file__).with_name("mock_worker.py")


@pytest.fixture
def told(tmp_path):
    """Where the mock worker finds what to do, and leaves the jobs that it had."""
    folder = tmp_path / "told"
    folder.mkdir()
    return folder


@pytest.fixture
def compare(registry, monkeypatch, tmp_path, told):
    """Compares with a launcher whose workers are mock ones; returns the store and what was heard.

    The launcher is a class to whose `command` the mock worker is given.
    """
    monkeypatch.setattr(comparison, "export", lambda compared, directory: Written([], []))
    for name in ("train", "eval"):
        rows = [{"text": f"{name} {i}", "summary": f"{i} it is"} for i in range(40)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "tokenizer.json").write_text("{}")
    (model / "model.safetensors").write_bytes(WEIGHTS)

    def start(launcher, acts=None, **values):
        class Mocked(launcher):
            id, summary, elsewhere = "mocked", "workers that measure nothing", True

            @classmethod
            def environment(cls, device, gpus):
                return collect(device)

            def command(self):
                return [sys.executable, str(WORKER), str(told)]

        registry.launchers.entries.pop("mocked", None)
        registry.launchers.add("mocked", Mocked, Plugin("test", "test"))
        (told / "acts.json").write_text(json.dumps(acts or {}))
        asked = {
            "launcher": "mocked",
            "device": "cpu",
            "model": str(model),
            "data": str(tmp_path / "train.jsonl"),
            "eval_data": str(tmp_path / "eval.jsonl"),
            "eval_examples": 5,
            "strategies": "full,lora",
            "seeds": 1,
            "tune": False,
            "predict": False,
            "output": str(tmp_path / "out"),
            **values,
        }
        heard = Heard()
        finished = comparison.run(set_up([("test", asked)]), "llmbench compare", heard)
        return Store(finished.directory), heard

    return start
