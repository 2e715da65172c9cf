"""What errors say of memory that ran out."""

from __future__ import annotations

import errno

import numpy
import pytest
import torch

from llmbench import machine
from llmbench.machine import Room
from llmbench.worker import shortage

GIB = 2**30
ON_CUDA = (
    "CUDA out of memory. Tried to allocate 20.50 GiB. GPU 0 has a total capacity of 139.81 GiB of "
    "which 12.25 MiB is free. Including non-PyTorch memory, this process has 139.00 GiB memory in "
    "use. {allowed}Of the allocated memory 130.00 GiB is allocated by PyTorch, and 9.00 GiB is "
    "reserved by PyTorch but unallocated. If reserved but unallocated memory is large try setting "
    "PYTORCH_ALLOC_CONF=expandable_segments:True to avoid fragmentation."
)


@pytest.fixture(autouse=True)
def rooms(monkeypatch):
    monkeypatch.setattr(machine, "room", lambda: Room(3 * GIB, 24 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 15 * GIB)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (GIB, 80 * GIB))


def figures(error, cuda=True):
    found = shortage.of(error, cuda)
    return found and (found.where, found.asked_bytes, found.free_bytes, found.total_bytes)


def caught(kind, act):
    with pytest.raises(kind) as held:
        act()
    return held.value


def test_torch_says_what_was_asked_for_free_and_there():
    error = torch.OutOfMemoryError(ON_CUDA.format(allowed=""))
    exact = (20.5 * GIB, 12.25 * 2**20, round(139.81 * GIB))
    assert figures(error) == ("cuda", *exact)


def test_a_size_that_went_wrong_is_the_most_that_can_be_written_down():
    text = ON_CUDA.format(allowed="").replace("20.50 GiB", "17179869184.00 GiB")
    assert figures(torch.OutOfMemoryError(text))[1] == 2**63 - 1


def test_under_a_limit_what_it_leaves_is_free():
    error = torch.OutOfMemoryError(ON_CUDA.format(allowed="16.00 GiB allowed; "))
    assert figures(error) == ("cuda", 20.5 * GIB, 12.25 * 2**20, 16 * GIB)
    error = torch.OutOfMemoryError(ON_CUDA.format(allowed="14.00 GiB allowed; "))
    assert figures(error) == ("cuda", 20.5 * GIB, 0, 14 * GIB)


@pytest.mark.parametrize(
    "text", ["CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"]
)
def test_where_nobody_says_the_driver_is_asked(text):
    assert figures(RuntimeError(text)) == ("cuda", None, GIB, 80 * GIB)


def test_a_driver_that_does_not_answer_leaves_it_open(monkeypatch):
    def broken():
        raise RuntimeError("CUDA error: an illegal memory access")

    monkeypatch.setattr(torch.cuda, "mem_get_info", broken)
    assert figures(RuntimeError("CUDA error: out of memory")) == ("cuda", None, None, None)


@pytest.mark.parametrize("cuda", [False, True])
@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (lambda: caught(RuntimeError, lambda: torch.empty(2**43, dtype=torch.uint8)), 2**43),
        (lambda: caught(MemoryError, lambda: numpy.ones(2**43, dtype="uint8")), 2**43),
        (lambda: MemoryError(), None),
        (lambda: OSError(errno.ENOMEM, "Cannot allocate memory"), None),
        (lambda: Exception("I/O error: Cannot allocate memory (os error 12)"), None),
    ],
    ids=["torch", "numpy", "python", "system", "safetensors"],
)
def test_the_hosts_memory_runs_out_too(error, asked, cuda):
    assert figures(error(), cuda) == ("host", asked, 3 * GIB, 24 * GIB)


def test_an_error_of_another_kind_is_none():
    assert figures(ValueError("no")) is None
    assert not shortage.out_of_memory(OSError(errno.ENOSPC, "No space left on device"))


def test_what_it_led_to_does_not_hide_it():
    for link in ("__cause__", "__context__"):
        error = ValueError("the library gave up")
        setattr(error, link, torch.OutOfMemoryError(ON_CUDA.format(allowed="")))
        assert figures(error)[:2] == ("cuda", 20.5 * GIB)
    circle = ValueError("one")
    circle.__cause__ = circle
    assert not shortage.out_of_memory(circle)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (Exception("I/O error: No space left on device (os error 28)"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), False),
        (ValueError("no"), False),
    ],
)
def test_a_full_disk_is_told_from_other_errors(error, full):
    assert shortage.no_room(error) == full
    wrapped = ValueError("the library gave up")
    wrapped.__cause__ = error
    assert shortage.no_room(wrapped) == full


def test_what_the_errors_frames_hold_is_let_go():
    class Model:
        """Something large."""

    gone = []

    def fail():
        model = Model()
        import weakref

        weakref.finalize(model, gone.append, True)
        raise MemoryError

    error = caught(MemoryError, fail)
    assert gone == []
    shortage.let_go(error)
    assert gone == [True]
