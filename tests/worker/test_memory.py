from __future__ import annotations

import threading
from contextlib import suppress

import pytest
import torch

from llmbench.worker import memory
from llmbench.worker.memory import Meter, resident_bytes

MIB = 2**20
BLOCK = 64 * MIB
SLACK = 6 * MIB


@pytest.fixture
def meter():
    return Meter(torch.device("cpu"))


def block() -> torch.Tensor:
    """64 MiB that are really there: every page written."""
    return torch.ones(BLOCK // 4, dtype=torch.float32)


def test_what_a_phase_holds_at_its_end_is_seen(meter):
    with meter.phase() as peaks:
        held = block()
        found = peaks()
    assert found.host_growth_bytes == pytest.approx(BLOCK, abs=SLACK)
    assert held.numel()


def test_what_was_freed_before_a_phase_ended_is_seen_where_a_sample_was_taken(meter):
    with meter.phase() as peaks:
        held = block()
        meter.sample()
        del held
        found = peaks()
    assert found.host_growth_bytes == pytest.approx(BLOCK, abs=SLACK)


def test_a_sample_that_is_being_taken_does_not_bring_back_a_peak_that_was_reset(meter, monkeypatch):
    reading, reset = threading.Event(), threading.Event()

    def slow() -> int:
        if threading.current_thread() is sampler:
            reading.set()
            reset.wait(timeout=0.3)  # nobody could reset it now, or the sample would undo that
        return 0

    def resetting() -> None:
        meter.reset()
        reset.set()

    monkeypatch.setattr(memory, "release_freed", lambda: None)  # which takes longer than all else
    monkeypatch.setattr(meter, "_read", slow)
    meter._peak = 10**12
    sampler = threading.Thread(target=meter.sample)
    sampler.start()
    assert reading.wait(timeout=30)
    resetter = threading.Thread(target=resetting)
    resetter.start()
    sampler.join()
    resetter.join()
    assert meter._peak == 0


def test_the_sampler_sees_a_peak_that_nobody_points_at(meter, monkeypatch):
    sampled, read = threading.Event(), resident_bytes

    def watched() -> int:
        if threading.current_thread() is not threading.main_thread():
            sampled.set()
        return read()

    monkeypatch.setattr(meter, "_read", watched)
    with meter.phase() as peaks:
        held = block()
        for _ in range(2):  # by the second reading, the first is over and written down
            sampled.clear()
            assert sampled.wait(timeout=30)
        del held
        found = peaks()
    assert found.host_growth_bytes == pytest.approx(BLOCK, abs=SLACK)


def test_the_next_phases_peak_does_not_include_what_was_freed(meter):
    with meter.phase():
        held = block()
        meter.sample()
        del held
    with meter.phase() as peaks:
        found = peaks()
    assert found.host_growth_bytes < SLACK


def test_what_is_kept_counts_in_the_next_phase_too(meter):
    with meter.phase():
        held = block()
    with meter.phase() as peaks:
        found = peaks()
    assert found.host_growth_bytes == pytest.approx(BLOCK, abs=SLACK)
    assert held.numel()


def test_memory_from_before_the_meter_is_not_growth():
    held = block()
    with Meter(torch.device("cpu")).phase() as peaks:
        found = peaks()
    assert found.host_growth_bytes < SLACK
    assert held.numel()


def test_host_memory_is_never_called_device_memory(meter):
    with meter.phase() as peaks:
        found = peaks()
    assert (found.allocated_bytes, found.reserved_bytes, found.process_bytes) == (None,) * 3


def test_a_file_that_is_only_mapped_is_not_counted(tmp_path):
    import mmap

    path = tmp_path / "large"
    path.write_bytes(bytes(BLOCK))
    before = resident_bytes()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) == 0
        assert resident_bytes() - before < SLACK


@pytest.mark.gpu
def test_on_a_gpu_the_peak_is_the_allocators():
    device = torch.device("cuda", 0)
    meter = Meter(device)
    with meter.phase() as peaks:
        before = torch.cuda.memory_allocated()
        held = torch.ones(BLOCK // 4, device=device)
        del held
        found = peaks()
    assert found.allocated_bytes - before == BLOCK
    assert found.reserved_bytes >= found.allocated_bytes
    with meter.phase() as peaks:
        assert peaks().allocated_bytes == before


@pytest.mark.gpu
def test_what_a_graph_computes_in_is_held_as_long_as_the_graph_is():
    device = torch.device("cuda", 0)
    meter, graph = Meter(device), torch.cuda.CUDAGraph()
    with meter.phase() as peaks:
        before = torch.cuda.memory_allocated()
        with meter.recording(), torch.cuda.graph(graph):
            torch.ones(BLOCK // 4, device=device)
        held = torch.ones(BLOCK // 4, device=device)
        graph.replay()
        found = peaks()
    assert found.allocated_bytes - before == BLOCK + held.nbytes
    del graph
    with meter.phase() as peaks:
        assert peaks().allocated_bytes == before + held.nbytes


class Allocator:
    """What a GPU's allocator says, in the place of torch's."""

    def __init__(self, monkeypatch):
        self.now = self.most = self.graphs = 0
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        for name in ("synchronize", "empty_cache"):
            monkeypatch.setattr(torch.cuda, name, lambda: None)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: self.now)
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: self.most)
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: self.most)
        monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: self.most)
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", self._reset)
        monkeypatch.setattr(torch.cuda, "memory_snapshot", self._segments)

    def passes(self, rise, left=0):
        """So much is allocated, and all but what is left given back."""
        self.most = max(self.most, self.now + rise)
        self.now += left

    def _reset(self):
        self.most = self.now

    def _segments(self):
        return [
            segment(900, 100, (0, 0)),
            segment(self.graphs + 7, 7, (0, 3)),
            segment(900, 100, (0, 3), device=1),
        ]


def segment(total, allocated, pool, device=0):
    return {
        "device": device,
        "total_size": total,
        "allocated_size": allocated,
        "segment_pool_id": pool,
    }


@pytest.fixture
def allocator(monkeypatch):
    return Allocator(monkeypatch)


@pytest.fixture
def on_gpu(allocator, monkeypatch):
    monkeypatch.setattr(memory, "find", lambda device: None)
    return Meter(torch.device("cuda", 0))


def test_what_is_allocated_after_a_recording_is_beside_what_was_recorded(on_gpu, allocator):
    allocator.passes(100, left=100)  # the weights
    with on_gpu.phase() as peaks:
        with on_gpu.recording():
            allocator.passes(40, left=5)  # the gradients stay
            allocator.graphs = 60
        assert peaks().allocated_bytes == 140
        allocator.passes(30, left=30)  # the optimiser's states
        assert peaks().allocated_bytes == 135 + 35
        with on_gpu.paused():
            allocator.passes(500)
        assert peaks().allocated_bytes == 135 + 35
    with on_gpu.phase() as peaks:
        assert peaks().allocated_bytes == 135


def test_a_recording_holds_no_more_than_is_kept_for_it(on_gpu, allocator):
    with on_gpu.phase() as peaks:
        with on_gpu.recording():
            allocator.passes(40)
        allocator.passes(30)
        assert peaks().allocated_bytes == 40


def test_a_recording_that_fails_leaves_its_peak_and_holds_nothing(on_gpu, allocator):
    with on_gpu.phase() as peaks:
        with suppress(torch.OutOfMemoryError), on_gpu.recording():
            allocator.passes(40)
            allocator.graphs = 40
            raise torch.OutOfMemoryError("CUDA out of memory.")
        allocator.passes(30)
        assert peaks().allocated_bytes == 40


def test_recordings_that_share_nothing_are_held_beside_each_other(on_gpu, allocator):
    with on_gpu.phase() as peaks:
        for size in (40, 50):
            with on_gpu.recording():
                allocator.passes(size)
                allocator.graphs += size
        allocator.passes(60)
        assert peaks().allocated_bytes == 150


def test_without_a_gpu_a_recording_is_left_to_itself(meter):
    with meter.phase() as peaks, meter.recording():
        assert peaks().allocated_bytes is None


def test_a_later_recording_is_made_beside_the_earlier(on_gpu, allocator):
    with on_gpu.phase() as peaks:
        with on_gpu.recording():
            allocator.passes(40)
            allocator.graphs = 40
        with on_gpu.recording():
            allocator.passes(50)
            allocator.graphs = 50
        assert peaks().allocated_bytes == 90
        allocator.passes(60)
        assert peaks().allocated_bytes == 110
        assert on_gpu.peak_so_far() == 110
