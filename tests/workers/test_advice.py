from __future__ import annotations

import pytest

from llmbench import plugin
from llmbench.plugin.catalogue import Plugin, Registry
from llmbench.plugin.strategy import Strategy
from llmbench.record.record import Shortage
from llmbench.workers import outcome

GIB = 2**30


def told(phase="train", **figures) -> str:
    return outcome.advice(phase, Shortage(**{"where": "cuda", **figures}))


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        (
            {"asked_bytes": 2 * GIB, "free_bytes": GIB, "total_bytes": 8 * GIB},
            "The GPU's memory ran out when 2.0 GiB were asked for and 1.0 GiB of 8.0 GiB were free",
        ),
        ({"free_bytes": GIB}, "The GPU's memory ran out when 1.0 GiB were free"),
        ({"free_bytes": 0, "total_bytes": GIB}, "The GPU's memory ran out when 0 KiB of 1.0 GiB"),
        ({"where": "host", "total_bytes": GIB}, "The host's memory ran out: "),
    ],
)
def test_it_says_what_there_was_as_far_as_it_is_known(figures, sentence):
    assert told(**figures).startswith(sentence)


def test_what_is_predicted_to_fit_comes_first():
    said = told(asked_bytes=GIB, instead="lora+4-bit")
    assert ": take lora+4-bit, which is predicted to fit, or try a smaller" in said


@pytest.mark.parametrize(
    ("phase", "way_out"),
    [
        ("load", "qlora"),
        ("train", "--batch-size"),
        ("evaluate", "--eval-batch-size"),
        ("save", "4-bit"),
        (None, "4-bit"),
    ],
)
def test_the_way_out_is_that_of_the_phase(phase, way_out):
    assert way_out in told(phase)


class Thin(Strategy):
    id = "thin"
    summary = "weights that take less memory"
    group = "adaptation"
    saves_memory = "weights"


def test_the_strategies_that_save_memory_say_so_themselves(monkeypatch):
    installed = Registry()
    monkeypatch.setattr(plugin, "registry", lambda: installed)
    assert told("load").endswith("too much: try a smaller model.")
    installed.add("register_strategies", "thin", Thin, Plugin("thin", "thin 1"))
    assert told("load").endswith("too much: try one of thin, or a smaller model.")
    assert told("train").endswith("for all methods, or one of thin.")
