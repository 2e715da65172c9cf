"""What is predicted of a cell on several GPUs: the peak of each, or nothing."""

from __future__ import annotations

import pytest
import torch
from records import cell, environment

from llmbench.plugin.strategy import CannotRun
from llmbench.record.record import Member, MemoryParts, ModelRef
from llmbench.record.settings import Settings
from llmbench.worker.estimate import job as estimate
from llmbench.worker.estimate import narrow
from llmbench.workers.job import Estimate, EstimateJob


@pytest.fixture
def predicted(registry, model_folder, tmp_path):
    """Predicts a composition of the tiny model."""

    def of(ids: str, options: dict | None = None, **settings) -> Estimate:
        given = options or {}
        members = tuple(
            Member(id=i, options=given.get(i, {}), distribution="") for i in ids.split("+")
        )
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


def test_of_a_model_that_is_cut_up_each_gpu_holds_parts_and_whole_activations(predicted):
    alone = predicted("full", accumulation=1)
    part = predicted("full+fsdp", accumulation=2, gpus=2)
    assert part.parts.weights_bytes == pytest.approx(alone.parts.weights_bytes / 2, rel=0.02)
    assert part.parts.optimizer_bytes == pytest.approx(alone.parts.optimizer_bytes / 2, rel=0.02)
    assert part.parts.activations_bytes > alone.parts.activations_bytes
    assert part.parameters == alone.parameters


def test_weights_that_are_kept_between_the_passes_are_held_beside_their_parts(predicted):
    least, most = (
        predicted("full+fsdp", {"fsdp": {"shard": shard}}, accumulation=2, gpus=2).parts
        for shard in ("full", "grad_op")
    )
    assert least.total_bytes < most.total_bytes <= least.total_bytes + 2 * most.weights_bytes


def test_the_copies_of_half_of_the_gpus_are_cut_up_over_the_other_half(predicted):
    two = predicted("full+fsdp", accumulation=2, gpus=2).parts
    four = predicted("full+fsdp", {"fsdp": {"shard": "hybrid"}}, accumulation=4, gpus=4).parts
    assert four == two


def test_packed_weights_are_gathered_packed(predicted):
    settings = {"accumulation": 2, "gpus": 2, "precision": "bf16-stochastic"}
    whole, packed = (predicted(f"{ids}+fsdp", **settings).parts for ids in ("lora", "lora+4-bit"))
    assert packed.weights_bytes < whole.weights_bytes


def test_every_gpu_has_its_part_of_matrices_that_a_plan_cuts_up(predicted):
    alone = predicted("lora", accumulation=2)
    part = predicted("lora+tensor-parallel", accumulation=2, gpus=2)
    assert part.parts.weights_bytes == pytest.approx(alone.parts.weights_bytes / 2, rel=0.02)
    assert part.parts.activations_bytes < alone.parts.activations_bytes
    assert (part.parameters, part.base_parameters) == (alone.parameters, alone.base_parameters)


def test_a_plan_of_which_a_style_is_not_known_is_not_predicted():
    with pytest.raises(CannotRun, match="'sequence_parallel'"):
        narrow.cut(torch.nn.LayerNorm(4), "sequence_parallel", 2, {})


def test_an_output_layer_that_is_the_embedding_stays_so_as_it_is_cut_up():
    embedding, output = torch.nn.Embedding(8, 4), torch.nn.Linear(4, 8, bias=False)
    output.weight, parts = embedding.weight, {}
    narrow.cut(embedding, "embedding_rowwise", 2, parts)
    narrow.cut(output, "colwise_gather_output", 2, parts)
    assert output.weight is embedding.weight
    assert output(torch.ones(1, 4)).shape == (1, 8)


def test_what_deepspeed_holds_is_not_predicted_and_says_so(predicted):
    found = predicted("full+zero", accumulation=2, gpus=2)
    assert found.parts is None
    assert "zero leaves on each GPU is not predicted" in found.reason


def test_the_buckets_of_a_replica_hold_every_gradient_from_the_start():
    parts = MemoryParts(weights_bytes=8, gradients_bytes=2)
    assert estimate.with_buckets(parts, 10, Settings(precision="fp32")).gradients_bytes == 40
