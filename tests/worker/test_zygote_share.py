"""What cells on a GPU have imported for them all, without CUDA being initialised."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from records import environment, ok

from llmbench import machine
from llmbench.machine import GpuFacts
from llmbench.worker import preload, zygote
from llmbench.workers.job import Job

ASKING = """
import torch
MADE_FOR = [torch.cuda.get_device_capability(torch.cuda.device(n)) for n in range(2)]
"""
INITIALISING = "import torch\ntorch.cuda._initialized = True\n"


def gpus(*capabilities):
    return tuple(GpuFacts("GPU", 2**36, 2**36, "580", compute_capability=c) for c in capabilities)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes the package that is imported on a GPU, and has NVML see these GPUs."""

    def write(code, *capabilities):
        (tmp_path / "asks_the_runtime.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "asks_the_runtime", raising=False)
        monkeypatch.setattr(preload, "ASK_RUNTIME", ("asks_the_runtime",))
        monkeypatch.setattr(machine, "gpu_facts", lambda: gpus(*capabilities))
        monkeypatch.setattr(torch.cuda, "_initialized", False)
        monkeypatch.setattr(preload, "LIBRARY", "libcuda-of-nobody.so.1")

    yield write
    sys.modules.pop("asks_the_runtime", None)


@pytest.fixture
def request_for(tmp_path):
    """A request to run a cell on that device."""

    def write(device):
        job = Job(
            cell=ok("lora", device=device).cell,
            environment=environment(device),
            model_source="",
            record_file=tmp_path / "record.json",
            work_folder=tmp_path,
            started_at=0.0,
        )
        job.file.write_text(job.model_dump_json())
        return json.dumps({"job": str(job.file), "log": str(tmp_path / "log")})

    return write


def test_nvml_answers_what_a_package_asks_the_runtime_as_it_is_imported(package):
    package(ASKING, (9, 0), (8, 0))
    asked = torch.cuda.get_device_capability
    preload.past_runtime()
    assert sys.modules["asks_the_runtime"].MADE_FOR == [(9, 0), (8, 0)]
    assert torch.cuda.get_device_capability is asked
    assert not preload.cuda_initialised()


def test_nothing_is_imported_where_nvml_does_not_know_the_gpu(package):
    package(ASKING, (9, 0), None)
    preload.past_runtime()
    assert "asks_the_runtime" not in sys.modules


@pytest.fixture
def started(monkeypatch):
    """What the process is started anew with."""
    calls = []
    monkeypatch.setattr(zygote, "has_gpu", lambda: True)
    monkeypatch.setattr(zygote, "sys", SimpleNamespace(executable="python", argv=["", "7"]))
    monkeypatch.setattr(zygote.os, "execv", lambda program, words: calls.append(words))
    return calls


def test_the_first_cell_on_a_gpu_has_it_imported_for_all(package, request_for, started):
    package(ASKING, (9, 0), (9, 0))
    zygote.share(request_for("cuda"))
    assert "asks_the_runtime" in sys.modules
    assert not started


def test_a_cell_on_a_cpu_has_nothing_imported(package, request_for, started):
    package(ASKING, (9, 0), (9, 0))
    zygote.share(request_for("cpu"))
    assert "asks_the_runtime" not in sys.modules


def test_the_process_starts_anew_with_the_request_where_cuda_was_initialised(
    package, request_for, started
):
    package(INITIALISING, (9, 0))
    request = request_for("cuda")
    zygote.share(request)
    assert started == [["python", "-m", "llmbench.worker.zygote", "7", request]]
