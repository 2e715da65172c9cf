"""A cell on two NVIDIA GPUs, on a small Llama with random weights."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys

import pytest

from llmbench.machine import visible_gpus
from llmbench.record.record import Record
from llmbench.storage.store import Store

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(len(visible_gpus()) < 2, reason="needs two GPUs"),
]

SHAPE = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 4096,
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
}
LONGEST_SECONDS = 100
ALONE = ("lora", "full", "qlora(paged=false)")
SPREAD = {
    "lora+ddp": "lora",
    "full+fsdp": "full",
    "full+gradient-checkpointing+fsdp": "full",
    "qlora(paged=false)+fsdp": "qlora(paged=false)",
    "lora+tensor-parallel": "lora",
}
"""What spreads, to the same on one GPU."""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Records by composition."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "config.json").write_text(json.dumps(SHAPE))
    command = [
        *(sys.executable, "-m", "llmbench", "compare", "--model", str(folder)),
        *("--weights", "random", "--strategies", ",".join([*ALONE, *SPREAD]), "--gpus", "2"),
        *("--batch-size", "2", "--seq-len", "256", "--steps", "8", "--max-new-tokens", "8"),
        *("--no-repeat", "--output", str(folder / "out")),
    ]
    with contextlib.suppress(subprocess.TimeoutExpired):  # what has ended by then is there
        subprocess.run(command, capture_output=True, env=dict(os.environ), timeout=LONGEST_SECONDS)
    return {r.cell.composition: r for r in Store(folder / "out").read().records}


@pytest.mark.parametrize("spread", SPREAD)
def test_two_gpus_start_from_the_loss_of_one(records, spread):
    one, two = records[SPREAD[spread]], records[spread]
    assert (two.status, two.reason) == ("ok", None), two.traceback
    assert two.backend == "nccl"
    assert two.first_loss == pytest.approx(one.first_loss, rel=2e-3)
    assert two.steps[0].loss == pytest.approx(one.steps[0].loss, rel=2e-3)
    assert all(s.loss is not None and math.isfinite(s.loss) for s in two.steps)
    assert [s.padded_tokens for s in two.steps] == [s.padded_tokens for s in one.steps]


@pytest.mark.parametrize("spread", SPREAD)
def test_every_gpu_tells_its_peak_and_the_largest_is_the_cells(records, spread):
    record = records[spread]
    peaks = [rank.peaks["train"].allocated_bytes for rank in record.ranks]
    assert len(peaks) == 2
    assert all(peaks)
    assert record.phases["train"].memory.allocated_bytes == max(peaks)


def test_a_model_that_is_cut_up_takes_less_of_each_gpu(records):
    whole = records["full"].phases["train"].memory.parts
    part = records["full+fsdp"].phases["train"].memory.parts
    assert whole
    assert part
    assert part.optimizer_bytes == pytest.approx(whole.optimizer_bytes / 2, rel=0.05)


def test_the_memory_of_replicas_is_predicted(records):
    record = records["lora+ddp"]
    assert record.predicted
    measured = record.phases["train"].memory.allocated_bytes
    assert record.predicted.total_bytes == pytest.approx(measured, rel=0.08)
