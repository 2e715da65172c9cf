"""Speeds of runs on several GPUs, a GPU and beside the same on one."""

from __future__ import annotations

import pytest
from records import comparison, ok

from llmbench.analysis import scaling
from llmbench.analysis.judging import stand
from llmbench.output.csv_json import rows
from llmbench.record.record import Member, Memory, Rank, Record
from llmbench.wording.scaling import scaled

LORA = Member(id="lora", options={"r": 16}, distribution="llmbench", group="adaptation")
DDP = Member(id="ddp", options={}, distribution="llmbench", group="parallelism")
GIB = 2**30


def run(composition: str, rate: float, members: tuple[Member, ...], peaks=(), **changes) -> Record:
    """A run that trained at that rate, on as many GPUs as there are peaks."""
    record = ok(composition, tokens_per_second=rate, **changes)
    ranks = tuple(Rank(peaks={"train": Memory(allocated_bytes=p)}) for p in peaks)
    made = record.cell.model_copy(update={"members": members})
    backend = "nccl" if ranks else None
    return record.model_copy(update={"cell": made, "ranks": ranks, "backend": backend})


@pytest.fixture
def two():
    """LoRA on one GPU, and on two at 1.9 times the speed."""
    alone = run("lora", 1000.0, (LORA,))
    return [alone, run("lora+ddp", 1900.0, (LORA, DDP), (20 * GIB, 21 * GIB))]


def test_efficiency_is_the_speed_over_that_of_as_many_gpus_alone(two):
    (found,) = scaling.efficiencies(two).values()
    assert found == pytest.approx(0.95, rel=0.02)


def test_without_the_same_on_one_gpu_there_is_no_efficiency(two):
    assert scaling.efficiencies(two[1:]) == {}
    other = run("lora", 1000.0, (LORA.model_copy(update={"options": {"r": 8}}),))
    assert scaling.efficiencies([other, two[1]]) == {}


def test_tables_have_the_gpus_the_speed_of_each_and_the_efficiency(two):
    alone, spread = rows(comparison(two))
    assert (alone["gpus"], spread["gpus"]) == (None, 2)
    whole = spread["train_tokens_per_second"]
    assert spread["train_tokens_per_second_per_gpu"] == pytest.approx(whole / 2)
    assert spread["scaling_efficiency"] == pytest.approx(0.95, rel=0.02)


def test_a_comparison_on_one_gpu_has_no_such_columns(two):
    assert "gpus" not in rows(comparison(two[:1]))[0]


def test_a_sentence_tells_speeds_and_the_peaks_of_all_ranks(two):
    (said,) = scaled(stand(comparison(two)))
    assert "trained on 2 GPUs (nccl)" in said
    assert "0.96 of what they give alone" in said
    assert "peaks of 20.0 GiB to 21.0 GiB" in said
