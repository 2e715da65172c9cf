from __future__ import annotations

import pytest
from records import GIB, cell, comparison, ended, fitted, ok, tried, validated

from llmbench.output import csv_json
from llmbench.record import figure
from llmbench.record.figure import BY_ID, FIGURES
from llmbench.record.record import (
    Compiled,
    Generation,
    GenerationBatch,
    Memory,
    ModelRef,
    PhaseRecord,
    Rank,
    Step,
)

PUBLIC = [
    "strategy",
    "model",
    "task",
    "seed",
    "status",
    "reason",
    "device",
    "rouge1",
    "rouge2",
    "rougeL",
    "rougeLsum",
    "peak_memory_bytes",
    "peak_memory_kind",
    "train_tokens_per_second",
    "generate_tokens_per_second",
    "trainable_parameters",
    "total_parameters",
    "load_seconds",
    "train_seconds",
    "evaluate_seconds",
    "artifact_bytes",
    "first_loss",
    "final_loss",
    "eval_loss",
]


def step(seconds: float, tokens: int, loss: float | None = 1.0) -> Step:
    return Step(
        seconds=seconds,
        loss=loss,
        learning_rate=1e-3,
        supervised_tokens=tokens // 2,
        nonpadding_tokens=tokens,
        padded_tokens=tokens * 2,
    )


def test_the_public_columns_come_first_and_in_order():
    row = csv_json.rows(comparison([ok("lora")]))[0]
    assert list(row)[: len(PUBLIC)] == PUBLIC


def test_every_figure_is_a_column_and_its_id_is_its_own():
    row = csv_json.rows(comparison([ok("lora")]))[0]
    assert len(BY_ID) == len(FIGURES)
    assert BY_ID.keys() <= row.keys()


@pytest.mark.parametrize("status", ["skipped", "oom", "failed", "killed"])
def test_a_cell_that_measured_nothing_has_a_row_with_nothing_in_it(status):
    row = csv_json.rows(comparison([ended("full", status, "the reason")]))[0]
    assert (row["status"], row["reason"]) == (status, "the reason")
    assert {name: row[name] for name in BY_ID if row[name] is not None} == {}
    assert row["peak_memory_kind"] is None


def test_no_metric_s_figure_may_be_called_like_a_column_that_is_no_score():
    row = csv_json.rows(comparison([ok("lora", ranks=(Rank(), Rank()))]))[0]
    assert row.keys() - set(csv_json.FIRST_SCORES) == figure.RESERVED


def test_a_stored_score_that_is_called_like_a_column_does_not_replace_it():
    scores = {"status": 0.5, "seed": 0.5, "mine": 0.5}
    row = csv_json.rows(comparison([ok("lora", corpus_scores=scores)]))[0]
    assert (row["status"], row["seed"], row["mine"]) == ("ok", 0, 0.5)


def test_every_row_has_the_same_columns():
    rows = csv_json.rows(comparison([ended("full", "oom", "x"), ok("base"), ok("lora")]))
    assert len({tuple(row) for row in rows}) == 1


def test_throughput_is_all_tokens_over_all_seconds_of_the_steps_after_burn_in():
    made = cell("lora", settings={"burn_in_steps": 1})
    record = ok("lora", cell=made, steps=(step(50, 100), step(1, 100), step(3, 500)))
    assert BY_ID["train_tokens_per_second"].of(record) == 150
    assert figure.SUPERVISED.of(record) == 75
    assert figure.PADDED.of(record) == 300


def test_a_cell_that_ended_within_burn_in_has_no_throughput():
    made = cell("lora", settings={"burn_in_steps": 4})
    record = ok("lora", cell=made, steps=(step(1, 100), step(1, 100)))
    assert BY_ID["train_tokens_per_second"].of(record) is None


def test_the_headline_memory_is_the_train_phases():
    record = ok("lora", phases={"load": on_host(9 * GIB), "train": on_host(5 * GIB)}, device="cpu")
    assert BY_ID["peak_memory_bytes"].of(record) == 5 * GIB
    assert figure.peak_memory_kind(record) == "host-growth"


def on_host(peak: int) -> PhaseRecord:
    return PhaseRecord(seconds=1.0, memory=Memory(host_growth_bytes=peak))


def test_on_cuda_memory_is_what_was_allocated():
    memory = Memory(allocated_bytes=3, reserved_bytes=5, process_bytes=7)
    record = ok("lora", phases={"train": PhaseRecord(seconds=1.0, memory=memory)})
    assert BY_ID["peak_memory_bytes"].of(record) == 3
    assert figure.peak_memory_kind(record) == "cuda-allocated"


def test_memory_that_did_not_grow_is_measured_all_the_same():
    record = ok("lora", phases={"train": on_host(0)}, device="cpu")
    assert BY_ID["peak_memory_bytes"].of(record) == 0


def test_making_random_weights_is_no_loading():
    made = cell("lora", model=ModelRef(id="llama-2-7b", weights="random"))
    assert BY_ID["load_seconds"].of(ok("lora"))
    assert BY_ID["load_seconds"].of(ok("lora", cell=made)) is None
    assert BY_ID["train_seconds"].of(ok("lora", cell=made))


def test_the_base_has_neither_training_memory_nor_trainable_parameters():
    base = ok("base")
    for name in ("peak_memory_bytes", "trainable_parameters", "train_tokens_per_second"):
        assert BY_ID[name].of(base) is None
    assert BY_ID["total_parameters"].of(base)


def test_a_score_is_the_mean_over_the_examples_that_have_it():
    first, second, *_ = ok("lora").examples
    examples = (
        first.model_copy(update={"scores": {"rougeL": 0.2}}),
        second.model_copy(update={"scores": {"rougeL": 0.4}}),
        second.model_copy(update={"id": "third", "scores": {}}),
    )
    record = ok("lora", examples=examples)
    assert figure.score("rougeL")(record) == pytest.approx(0.3)
    assert figure.score("rouge1")(record) is None


def test_further_scores_are_columns_behind_the_public_ones():
    with_bleu = ok("lora", corpus_scores={"bleu": 0.25})
    rows = csv_json.rows(comparison([ok("full"), with_bleu]))
    assert [row["bleu"] for row in rows] == [None, 0.25]
    assert list(rows[0]).index("bleu") > len(PUBLIC)


def test_the_generation_rate_is_new_tokens_over_the_seconds_of_all_batches():
    batches = (
        GenerationBatch(seconds=3.0, new_tokens=90),
        GenerationBatch(seconds=1.0, new_tokens=10),
    )
    made = ok("lora", generation=Generation(batches=batches))
    assert BY_ID["generate_tokens_per_second"].of(made) == 25
    ended_early = tuple(b.model_copy(update={"decoded_tokens": 100}) for b in batches)
    made = ok("lora", generation=Generation(batches=ended_early))
    assert BY_ID["generate_tokens_per_second"].of(made) == 50
    none = ok("lora", generation=Generation(batches=()))
    assert BY_ID["generate_tokens_per_second"].of(none) is None


def test_the_final_loss_is_the_last_steps_and_missing_where_that_is_no_number():
    assert BY_ID["final_loss"].of(ok("lora", steps=(step(1, 1, 3.0), step(1, 1, 2.0)))) == 2.0
    assert BY_ID["final_loss"].of(ok("lora", steps=(step(1, 1, 3.0), step(1, 1, None)))) is None


def test_what_fits_has_columns_behind_all_others():
    plain, stretched = csv_json.rows(comparison([ok("lora"), fitted("lora", 24)]))
    assert list(plain)[-3:] == ["fit_budget_bytes", "fit_stretched", "fit_size"]
    assert list(plain.values())[-3:] == [None, None, None]
    assert list(stretched.values())[-3:] == [16 * GIB, "batch_size", 24]


def test_what_only_tries_a_learning_rate_has_no_row():
    rows = csv_json.rows(comparison([tried("lora", 1e-3, 2.0), ok("lora")]))
    assert [(row["strategy"], row["cell"]) for row in rows] == [("lora", ok("lora").cell.id)]


def test_the_last_validation_loss_and_the_time_to_quality_are_columns_behind_the_public_ones():
    made = [validated(ok("full"), 3.0, 1.0), validated(ok("lora"), 3.0, 2.0), ok("qlora")]
    full, lora, qlora = csv_json.rows(comparison(made))
    assert [row["validation_loss"] for row in (full, lora, qlora)] == [1.0, 2.0, None]
    seconds = sum(s.seconds for s in made[0].steps)
    assert full["time_to_quality_seconds"] == pytest.approx(0.9 * seconds)
    assert lora["time_to_quality_seconds"] is qlora["time_to_quality_seconds"] is None
    assert list(full).index("validation_loss") > len(PUBLIC)
    assert list(full).index("time_to_quality_seconds") == list(full).index("validation_loss") + 1


def test_a_step_that_compiled_code_counts_for_no_speed_and_what_it_took_is_a_figure():
    slow = step(60, 10).model_copy(update={"compile_seconds": 59.0})
    record = ok("lora").model_copy(
        update={
            "steps": (slow, slow, step(1, 10), slow, step(1, 10)),
            "compiled": Compiled(seconds=177.0, graphs=5, breaks=0),
        }
    )
    burn_in = record.cell.settings.burn_in_steps
    assert [s.seconds for s in figure.measured_steps(record)] == [1, 1][max(0, burn_in - 3) :]
    assert figure.COMPILE.of(record) == 177.0
    assert figure.COMPILE.of(ok("lora")) is None
