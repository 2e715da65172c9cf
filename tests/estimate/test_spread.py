"""What is predicted of a cell on several GPUs: the peak of each, or nothing."""

from __future__ import annotations

import pytest
from records import cell, environment

from llmbench.record.record import Member, MemoryParts, ModelRef
from llmbench.record.settings import Settings
from llmbench.worker.estimate import job as estimate
from llmbench.workers.job import Estimate, EstimateJob


@pytest.fixture
def predicted(registry, model_folder, tmp_path):
    """Predicts a composition of the tiny model."""

    def of(ids: str, **settings) -> Estimate:
        members = tuple(Member(id=i, options={}, distribution="") for i in ids.split("+"))
        ref = ModelRef(id="tiny", weights="pretrained")
        made = cell(ids, members=members, model=ref, settings={"seq_len": 64, **settings})
        job = EstimateJob(
            cells=(made,),
            environment=environment("cuda"),
            model_source=str(model_folder),
            answer_file=tmp_path / "answer.json",
        )
        return estimate.estimate(job, made, made.settings)

    return of


def test_a_replica_needs_what_a_gpu_alone_needs_for_its_part(predicted):
    alone = predicted("lora", accumulation=1).parts
    replica = predicted("lora+ddp", accumulation=2, gpus=2).parts
    assert replica.model_copy(update={"gradients_bytes": 0}) == alone.model_copy(
        update={"gradients_bytes": 0}
    )
    assert replica.gradients_bytes >= alone.gradients_bytes


def test_a_model_that_is_cut_up_is_not_predicted_and_says_so(predicted):
    found = predicted("full+fsdp", accumulation=2, gpus=2)
    assert found.parts is None
    assert "cut up" in found.reason


def test_the_buckets_of_a_replica_hold_every_gradient_from_the_start():
    parts = MemoryParts(weights_bytes=8, gradients_bytes=2)
    assert estimate.with_buckets(parts, 10, Settings(precision="fp32")).gradients_bytes == 40
