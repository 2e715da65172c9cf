from __future__ import annotations

import pytest
from records import ended, ok

from llmbench.record.record import Shortage
from llmbench.workers import out_of_memory

GIB = 2**30


def told(phase="train", **figures) -> str:
    shortage = Shortage(**{"where": "cuda", **figures})
    return out_of_memory.explained(
        ended("lora", "oom", "as torch has it", phase=phase, shortage=shortage)
    )


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
    assert told(**figures).reason.startswith(sentence)


def test_what_is_predicted_to_fit_comes_first():
    record = out_of_memory.explained(told(asked_bytes=GIB), "lora+4-bit")
    assert ": take lora+4-bit, which is predicted to fit, or try a smaller" in record.reason
    assert record.shortage.instead == "lora+4-bit"


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
    assert way_out in told(phase).reason


@pytest.mark.parametrize(
    "record", [ok("lora"), ended("lora", "failed", "no"), ended("l", "oom", "")]
)
def test_another_record_is_left_as_it_is(record):
    assert out_of_memory.explained(record) == record
