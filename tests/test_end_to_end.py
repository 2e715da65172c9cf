"""The main job for real: the shipped model and data, all seven strategies, one report."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from distribution import llmbench
from records import shape

from llmbench.record.comparison import Comparison
from llmbench.record.record import Record
from llmbench.storage.store import Store

SEVEN = (
    "full",
    "lora",
    "qlora",
    "lora+8-bit",
    "lora+4-bit",
    "full+flash-attention",
    "full+gradient-checkpointing",
)
SHORT = (
    *("--steps", "8", "--batch-size", "4", "--validation-examples", "8"),
    *("--eval-examples", "12", "--max-new-tokens", "24"),
)
PUBLIC_COLUMNS = (
    "strategy,model,task,seed,status,reason,device,rouge1,rouge2,rougeL,rougeLsum,"
    "peak_memory_bytes,peak_memory_kind,train_tokens_per_second,generate_tokens_per_second,"
    "trainable_parameters,total_parameters,load_seconds,train_seconds,evaluate_seconds,"
    "artifact_bytes,first_loss,final_loss,eval_loss"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output directory of a short run of all seven strategies."""
    folder = tmp_path_factory.mktemp("main-job")
    done = llmbench(folder, "compare", *SHORT, "--output", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "Report: out/report.html" in done.stdout
    return folder / "out"


@pytest.fixture(scope="module")
def comparison(root: Path) -> Comparison:
    return Store(root).read()


@pytest.fixture(scope="module")
def trained(comparison: Comparison) -> list[Record]:
    return [r for r in comparison.records if r.cell.trains]


def test_all_seven_run_after_the_base_model(comparison: Comparison) -> None:
    assert [r.cell.composition for r in comparison.records] == ["base", *SEVEN]
    assert {r.status for r in comparison.records} == {"ok"}


def test_every_step_is_kept(trained: list[Record]) -> None:
    for record in trained:
        assert len(record.steps) == 8
        for step in record.steps:
            assert step.seconds > 0
            assert step.loss is not None
            assert step.supervised_tokens < step.nonpadding_tokens <= step.padded_tokens


def test_all_cells_are_fed_the_same(trained: list[Record]) -> None:
    def fed(record: Record) -> list[tuple[int, int, int]]:
        return [(s.supervised_tokens, s.nonpadding_tokens, s.padded_tokens) for s in record.steps]

    assert all(fed(r) == fed(trained[0]) for r in trained)


def test_every_cell_starts_from_the_base_model(comparison: Comparison) -> None:
    from llmbench.analysis.checks import first_loss_problems

    base = comparison.records[0].first_loss
    assert base is not None
    assert first_loss_problems(comparison.records) == {}
    for record in comparison.records:
        if not record.quantized:
            assert record.first_loss == pytest.approx(base, rel=1e-4)


def test_the_same_training_gives_the_same_losses_whatever_the_attention_kernel(
    trained: list[Record],
) -> None:
    losses = {r.cell.composition: [s.loss for s in r.steps] for r in trained}
    for other in ("full+flash-attention", "full+gradient-checkpointing"):
        assert losses[other] == pytest.approx(losses["full"], rel=1e-3)


def test_flash_attention_ran_on_a_flash_kernel(trained: list[Record]) -> None:
    flash = next(r for r in trained if r.cell.composition == "full+flash-attention")
    assert flash.attention_kernels == ("flash",)


def test_parameters_are_counted_alike_quantised_or_not(trained: list[Record]) -> None:
    counts = {
        r.cell.composition: (r.parameters.trainable, r.parameters.total)
        for r in trained
        if r.parameters
    }
    (full, whole), lora = counts["full"], counts["lora"]
    assert full == whole
    assert lora[1] == whole + lora[0]
    assert counts["qlora"] == counts["lora+4-bit"] == counts["lora+8-bit"] == lora


def test_adapters_are_small_on_disk(trained: list[Record]) -> None:
    sizes = {r.cell.composition: r.artifact_bytes or 0 for r in trained}
    assert 0 < sizes["lora"] < sizes["full"] / 4


def test_rouge_is_what_rouge_score_gives_on_the_stored_predictions(
    comparison: Comparison,
) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    kinds = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    scorer = RougeScorer(kinds, use_stemmer=True)
    for record in comparison.records:
        assert len(record.examples) == 12
        for example in record.examples:
            found = scorer.score_multi(list(example.references), example.prediction)
            expected = {kind: found[kind].fmeasure for kind in kinds}
            assert example.scores == pytest.approx(expected, abs=1e-9)


def test_memory_on_a_cpu_is_called_host_growth(root: Path) -> None:
    rows = json.loads((root / "results.json").read_text())
    assert all(row["peak_memory_kind"] == "host-growth" for row in rows[1:])
    assert all(row["peak_memory_bytes"] > 0 for row in rows[1:])
    assert rows[0]["peak_memory_bytes"] is None


def test_the_output_directory_is_as_documented(root: Path) -> None:
    names = {p.name for p in root.iterdir()}
    public = {"comparison.json", "records", "logs", "results.csv", "results.json", "report.html"}
    assert names == public | {"data", ".lock"}
    with (root / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]).startswith(PUBLIC_COLUMNS)
    assert [r["strategy"] for r in rows] == ["base", *SEVEN]


def test_the_report_names_every_cell_and_calls_nobody(root: Path) -> None:
    page = (root / "report.html").read_text()
    for name in SEVEN:
        assert name in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_a_second_run_into_the_directory_measures_nothing_again(root: Path) -> None:
    before = {p: p.read_bytes() for p in (root / "records").iterdir()}
    done = llmbench(root.parent, "compare", *SHORT, "--output", "out")
    assert done.returncode == 0
    assert done.stdout.count("  kept\n") == 8
    assert {p: p.read_bytes() for p in (root / "records").iterdir()} == before


def test_report_renders_the_directory_again(root: Path) -> None:
    page = (root / "report.html").read_bytes()
    (root / "report.html").unlink()
    done = llmbench(root.parent, "report", "out")
    assert done.returncode == 0
    assert (root / "report.html").read_bytes() == page


def test_random_weights_are_measured_and_their_quality_left_empty(tmp_path: Path) -> None:
    shape(tmp_path)
    random = ("--model", "shape", "--weights", "random", "--seq-len", "64", "--steps", "6")
    strategies = ("--strategies", "lora,qlora,8-bit", "--max-new-tokens", "8")
    done = llmbench(tmp_path, "compare", *random, *strategies, "--output", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    read = Store(tmp_path / "out").read()
    assert any("random" in n for n in read.header.notices)
    for row in json.loads((tmp_path / "out" / "results.json").read_text())[1:]:
        assert row["rougeL"] is None
        assert row["eval_loss"] is None
        assert row["train_tokens_per_second"] > 0
        assert row["generate_tokens_per_second"] > 0
    for record in read.records[1:]:
        assert {s.supervised_tokens for s in record.steps} == {4 * 63}
        assert {s.padded_tokens for s in record.steps} == {4 * 64}
