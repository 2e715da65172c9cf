from __future__ import annotations

import pytest
import torch

from llmbench.record.record import MemoryParts
from llmbench.record.settings import Settings
from llmbench.worker import anatomy, tensor
from llmbench.worker.batch import Batch

PARTS = MemoryParts(weights_bytes=50, gradients_bytes=20, activations_bytes=30)


def steps(*lengths: int) -> list[list[Batch]]:
    ids = [torch.zeros((1, length), dtype=torch.int64) for length in lengths]
    return [[Batch(i, i, i.numel())] for i in ids]


@pytest.mark.parametrize(
    ("burn_in", "chosen"), [(0, None), (1, None), (2, 1), (3, 2), (4, 2), (9, 4)]
)
def test_the_longest_of_the_untimed_steps_but_the_first_is_recorded(burn_in, chosen):
    settings = Settings(burn_in_steps=burn_in)
    assert anatomy.step_to_record(steps(99, 5, 8, 6, 40), settings) == chosen


def test_the_phases_peak_is_that_steps_peak_with_more_activations():
    found = anatomy.grown(PARTS, 140)
    assert found == PARTS.model_copy(update={"activations_bytes": 70})
    assert found.total_bytes == 140


def test_without_parts_there_is_nothing_to_grow():
    assert anatomy.grown(None, 140) is None


def test_blocks_lie_side_by_side_in_their_segment():
    segments = [
        {
            "device": 0,
            "address": 4096,
            "blocks": [
                {"size": 512, "state": "active_allocated"},
                {"size": 1024, "state": "inactive"},
                {"size": 2048, "state": "active_allocated"},
                {"size": 64, "state": "active_awaiting_free"},
            ],
        },
        {"device": 1, "address": 0, "blocks": [{"size": 512, "state": "active_allocated"}]},
    ]
    assert anatomy.blocks(segments, device=0) == {4096: 512, 4096 + 1536: 2048}


class History:
    """Stands for torch's record of allocations."""

    def __init__(self, monkeypatch, traces, segments):
        self.switched = []
        self.held = {"device_traces": [traces], "segments": segments}
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda.memory, "_record_memory_history", self.switch)
        monkeypatch.setattr(torch.cuda.memory, "_snapshot", lambda: self.held)

    def switch(self, enabled, **options):
        self.switched.append(enabled)


def event(action: str, address: int, size: int) -> dict[str, object]:
    return {"action": action, "addr": address, "size": size, "stream": 0}


def anatomy_of(model) -> anatomy.Anatomy:
    optimizer = torch.optim.AdamW(model.parameters())
    return anatomy.Anatomy(model, tensor.base_of(model), optimizer)


def test_a_recorded_step_is_taken_apart(monkeypatch):
    model = torch.nn.Linear(16, 8, bias=False)
    address = model.weight.untyped_storage().data_ptr()
    work = address + 2**20
    traces = [
        event("segment_alloc", work, 2**21),
        event("alloc", work, 4096),
        event("free_requested", work, 4096),
        event("free_completed", work, 4096),
    ]
    segment = {
        "device": 0,
        "address": address,
        "blocks": [{"size": 512, "state": "active_allocated"}],
    }
    history = History(monkeypatch, traces, [segment])
    looking = anatomy_of(model)
    looking.begin()
    assert looking.end() == MemoryParts(weights_bytes=512, activations_bytes=4096)
    assert history.switched == ["all", None]


@pytest.mark.parametrize("traces", [[], [event("alloc", 0, 1)] * anatomy.MOST_EVENTS, [{}]])
def test_a_history_that_says_nothing_leaves_the_figure_empty(monkeypatch, traces):
    history = History(monkeypatch, traces, [])
    looking = anatomy_of(torch.nn.Linear(2, 2))
    looking.begin()
    assert looking.end() is None
    assert history.switched == ["all", None]
