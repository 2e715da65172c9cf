"""Whether CUDA is initialised, found out on a machine that need not have any."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
import torch

from llmbench.worker import preload
from llmbench.worker.preload import LIBRARY, SUSPECTS, cuda_initialised, initialised_by

DRIVER = """
static int gpus = -1;
int cuInit(int many) { gpus = many; return 0; }
int cuDeviceGetCount(int *count) { *count = gpus; return gpus < 0 ? 3 : 0; }
"""
"""A driver's library: an error until it is initialised, then the number of GPUs."""
ASK = """
import ctypes, sys
from llmbench.worker.preload import cuda_initialised
said = [cuda_initialised()]
library = ctypes.CDLL(sys.argv[1])
said.append(cuda_initialised())
library.cuInit(int(sys.argv[2]))
print(*said, cuda_initialised())
"""


@pytest.fixture
def untouched(monkeypatch):
    """A process in which nobody has initialised CUDA or imported a package that might."""
    monkeypatch.setattr(torch.cuda, "_initialized", False)
    monkeypatch.setattr(preload, "LIBRARY", "libcuda-of-nobody.so.1")
    for name in SUSPECTS:
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_importing_torch_does_not_initialise_it(untouched):
    assert not cuda_initialised()
    assert initialised_by() is None


def test_torch_s_own_word_counts(monkeypatch, untouched):
    monkeypatch.setattr(torch.cuda, "_initialized", True)
    assert cuda_initialised()


def test_a_process_without_torch_has_not_initialised_it(monkeypatch, untouched):
    monkeypatch.delitem(sys.modules, "torch")
    assert not cuda_initialised()


@pytest.mark.skipif(sys.platform != "linux", reason="the library's name is Linux's")
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler for a stand-in")
@pytest.mark.parametrize(("gpus", "found"), [("1", "True"), ("0", "False")])
def test_who_initialises_the_driver_past_torch_is_found_out(tmp_path, gpus, found):
    """Loading the library does not count, nor does initialising it where there is no GPU."""
    (tmp_path / "driver.c").write_text(DRIVER)
    library = tmp_path / LIBRARY
    build = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{library.name}", "-o", library, "driver.c"]
    subprocess.run(build, cwd=tmp_path, check=True)
    command = [sys.executable, "-c", ASK, library, gpus]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", found]


@pytest.mark.parametrize(
    ("imported", "said"),
    [
        ((), "what every cell needs"),
        (("torchao",), "torchao"),
        (("peft", "vllm", "torchao"), "torchao, vllm or peft"),
    ],
)
def test_who_may_have_done_it_is_named(monkeypatch, untouched, imported, said):
    monkeypatch.setattr(torch.cuda, "_initialized", True)
    for name in imported:
        monkeypatch.setitem(sys.modules, name, sys)
    assert initialised_by() == said
