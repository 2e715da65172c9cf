"""What the first screen says beside the answer: what the pick costs, how sure it is, its basis."""

import pytest
import records

from llmbench.analysis.judging import stand
from llmbench.analysis.standing import Standing
from llmbench.record.record import Rank
from llmbench.wording import first
from llmbench.wording.answer import answer


def standing(*made, **header) -> Standing:
    return stand(records.comparison(list(made), **header))


@pytest.mark.parametrize(
    ("memory", "enough"),
    [
        (5.0, " (the least of all; a GPU of 16 GB is enough), "),
        (20.0, " (the least of all; a GPU of 24 GB is enough), "),
        (22.0, " (the least of all; a GPU of 32 GB is enough), "),  # some of 24 GB have 22 to use
        (62.0, " (the least of all; a GPU of 80 GB is enough), "),
        (300.0, " (the least of all), "),
    ],
)
def test_the_cost_names_the_gpu_that_is_enough_with_room_for_the_process(memory, enough):
    held = standing(records.ok("lora", 0.6, memory), records.ok("full", 0.2, memory * 1.5))
    said = first.cost(held, held.variants[0])
    assert said.startswith(f"{memory:.1f} GiB of GPU memory{enough}") or memory > 100
    assert enough in said
    assert " of training, " in said


def test_the_cost_names_what_needs_least_where_that_is_not_the_pick():
    held = standing(records.ok("full", 0.6, 35.0), records.ok("qlora", 0.5, 5.0))
    said = first.cost(held, held.variants[0])
    assert "(a GPU of 40 GB is enough)" in said
    assert said.endswith(
        "The least GPU memory is 5.0 GiB (a GPU of 16 GB is enough), with `qlora`."
    )


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ("pretrained", ""),
        ("random", ": random weights are made before they are quantised"),
    ],
)
def test_where_loading_takes_more_than_training_the_gpu_is_one_for_that(weights, why):
    made = records.ok("fp8", 0.6, 8.0)
    model = made.cell.model.model_copy(update={"weights": weights})
    made = made.model_copy(update={"cell": made.cell.model_copy(update={"model": model})})
    train = made.phases["train"]
    whole = train.memory.model_copy(update={"allocated_bytes": 25 * 2**30})
    phases = made.phases | {"load": train.model_copy(update={"memory": whole})}
    held = standing(made.model_copy(update={"phases": phases}), records.ok("full", 0.2, 62.0))
    enough = f"a GPU of 32 GB is enough, as loading takes 25.0 GiB{why})"
    assert enough in first.cost(held, held.variants[0])


def test_of_what_took_several_gpus_the_cost_is_that_of_each():
    ranks = (Rank(), Rank())
    held = standing(records.ok("lora", 0.6, 35.0), records.ok("full+fsdp", 0.5, 20.0, ranks=ranks))
    assert first.cost(held, held.variants[0]).endswith(
        "The least GPU memory is 20.0 GiB on each of 2 GPUs (2 GPUs of 24 GB are enough), with "
        "`full+fsdp`."
    )


def test_without_a_gpu_the_cost_says_where_a_gpu_s_is_to_be_had():
    held = standing(records.ok("full", 0.6, 0.2, device="cpu"))
    said = first.cost(held, held.variants[0])
    assert "of RAM" in said
    assert "is enough" not in said
    assert said.endswith(
        "This run used no GPU; `llmbench estimate --gpu 16GB` tells what fits one of 16 GB."
    )


def test_where_quality_is_not_known_nothing_is_sure_of_it():
    held = standing(records.ok("full", None, 62.0), records.ok("qlora", None, 5.0))
    assert first.trust(held, answer(held).pick) == (
        "Of speed and memory only: quality was not measured."
    )


def test_with_one_seed_in_common_it_is_not_said_that_each_method_was_trained_once():
    twice = [records.ok("full", 0.6, 9.0, cell=records.cell("full", seed)) for seed in (0, 1)]
    one, more = (standing(*made, records.ok("lora", 0.5, 5.0)) for made in (twice[:1], twice))
    assert first.trust(one, answer(one).pick).startswith("Not sure yet: each method was trained o")
    assert first.trust(more, answer(more).pick).startswith(
        "Not sure yet: no other method has two seeds in common with the best, and one training "
    )


def test_the_basis_explains_the_score_in_a_sentence():
    made = records.comparison([records.ok("full", 0.6, 62.0), records.ok("lora", 0.6, 35.0)])
    said = first.basis(made, stand(made))
    assert said.startswith("Each method was trained once for 20 steps, at a given learning rate, ")
    assert ", and evaluated on 24 examples. " in said
    assert "ROUGE-L: how many words answer and reference share in the same order" in said
    assert said.endswith("higher is better.")
