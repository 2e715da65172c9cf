from __future__ import annotations

import getpass
import platform

import pytest

from llmbench import machine
from llmbench.errors import ConfigError, nearest


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(machine, "gpu_facts", lambda: ())


@pytest.fixture
def two_gpus(monkeypatch):
    facts = (
        machine.GpuFacts("NVIDIA H200", 140 * 2**30, 139 * 2**30, "580"),
        machine.GpuFacts("NVIDIA L4", 24 * 2**30, 23 * 2**30, "580"),
    )
    monkeypatch.setattr(machine, "gpu_facts", lambda: facts)


def test_without_a_gpu_the_device_is_the_processor(no_gpu):
    found = machine.collect()
    assert (found.device, found.device_count, found.driver) == ("cpu", 0, None)
    assert found.device_memory_bytes == found.memory_bytes > 2**28
    assert found.cpu_count >= 1
    assert found.versions.keys() >= {"llmbench", "torch", "transformers"}


def test_a_gpu_that_is_not_there_cannot_be_asked_for(no_gpu):
    with pytest.raises(ConfigError, match="No NVIDIA GPU can be used here: run with --device cpu"):
        machine.collect("cuda")


def test_the_first_gpu_is_taken_where_there_is_one(two_gpus):
    found = machine.collect()
    assert (found.device, found.device_name, found.device_count) == ("cuda", "NVIDIA H200", 2)
    assert machine.collect("cpu").device == "cpu"


def test_neither_user_nor_host_is_named(no_gpu):
    text = machine.collect().model_dump_json()
    assert platform.node() not in text
    assert f"/{getpass.getuser()}" not in text


@pytest.mark.parametrize("visible", ["", "-1", " "])
def test_hidden_gpus_are_not_looked_for(monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    machine.gpu_facts.cache_clear()
    assert machine.gpu_facts() == ()
    machine.gpu_facts.cache_clear()


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        (None, [0, 1, 2]),
        ("2,0", [2, 0]),
        ("1", [1]),
        ("7", []),
        ("GPU-c,GPU-a2", [2, 0]),
        ("MIG-abc", [0, 1, 2]),
    ],
)
def test_visible_gpus_come_in_the_order_asked_for(visible, indices):
    assert machine.visible_indices(visible, ["GPU-a2", "GPU-b4", "GPU-c6"]) == indices


@pytest.mark.parametrize(
    ("name", "known", "end"),
    [
        ("lroa", ["lora", "full"], "did you mean 'lora'?"),
        ("xyz", ["lora", "full"], "known are: full, lora."),
        ("xyz", [], "none is installed."),
    ],
)
def test_a_sentence_about_an_unknown_name_ends_with_a_way_out(name, known, end):
    assert nearest(name, known) == end
