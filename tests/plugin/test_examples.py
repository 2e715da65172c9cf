"""The examples of plugins: each is short, and works in one comparison of the shipped model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmbench import plugin
from llmbench.analysis.checks import first_loss_problems
from llmbench.cli import cli
from llmbench.record.comparison import Comparison
from llmbench.record.record import Record
from llmbench.testing import run

EXAMPLES = Path(__file__).parents[2] / "plugins" / "examples"
FILES = sorted(EXAMPLES.glob("*.py"))
LINES = 60
STRATEGIES = (
    "full+wsd(decay=0.5)",
    "lora",
    "lora+chunked-loss(tokens=50)",
    "lora+packing",
    "lora+fused-norms",
    "lora+hf-trainer",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the comparison lies."""
    return tmp_path_factory.mktemp("examples") / "out"


@pytest.fixture(scope="module")
def compared(folder: Path) -> Comparison:
    """All examples in one comparison, as `--plugin` takes them along."""
    for file in FILES:
        plugin.include(file)
    return run(folder, strategies=",".join(STRATEGIES))


@pytest.fixture(scope="module")
def page(folder: Path, compared: Comparison) -> str:
    """The text of its report, without tags."""
    return re.sub(r"<[^>]+>", "", (folder / "report.html").read_text("utf-8"))


@pytest.fixture
def record(compared: Comparison):
    """The record of a composition, which ended well."""

    def of(composition: str) -> Record:
        found = next(r for r in compared.records if r.cell.composition == composition)
        assert found.status == "ok", found.reason
        return found

    return of


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_is_short_and_says_which_hooks_it_is_made_for(file: Path) -> None:
    text = file.read_text("utf-8")
    assert len(text.splitlines()) <= LINES
    assert "LLMBENCH_HOOKS = 1" in text


def test_wsd_stays_at_its_peak_and_falls_late(record) -> None:
    rates = [step.learning_rate for step in record("full+wsd(decay=0.5)").steps]
    assert rates[0] == rates[1] > rates[2] > 0


def test_chunked_loss_is_the_models_own_loss(record) -> None:
    found = record("lora+chunked-loss(tokens=50)")
    assert found.start.step == pytest.approx(found.steps[0].loss, rel=1e-3)
    assert found.start.training == pytest.approx(found.first_loss, rel=1e-4)
    assert found.cell.members[1].brings == ("loss",)


def test_the_report_tells_what_strategies_bring_in_place_of_the_harnesss(page) -> None:
    assert "brings a learning-rate schedule of its own" in page
    assert "brings a loss of its own in training" in page


def test_packing_trains_on_the_same_tokens_without_padding(record) -> None:
    packed, padded = record("lora+packing"), record("lora")
    assert packed.start.training == pytest.approx(padded.start.training, rel=1e-4)
    for one, other in zip(packed.steps, padded.steps, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-2)
        assert one.supervised_tokens == other.supervised_tokens
        assert one.nonpadding_tokens == one.padded_tokens == other.nonpadding_tokens
    assert {s.padded_tokens > s.nonpadding_tokens for s in padded.steps} == {True}
    assert packed.effective["micro_batch"] == "1"


def test_a_model_that_a_strategy_loads_starts_from_the_bases_loss(compared, record) -> None:
    assert record("lora+fused-norms").first_loss == pytest.approx(record("lora").first_loss)
    assert first_loss_problems(compared.records) == {}


def test_another_librarys_loop_trains_as_the_harnesss_does_and_is_marked(record, page) -> None:
    own, usual = record("lora+hf-trainer"), record("lora")
    for one, other in zip(own.steps, usual.steps, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-3)
        assert one.learning_rate == pytest.approx(other.learning_rate)
        assert one.padded_tokens == other.padded_tokens
    assert own.cell.members[1].brings == ("train",)
    assert "brings a training loop of its own" in page


def test_a_listener_hears_every_step_while_it_happens(folder, compared) -> None:
    lines = [json.loads(text) for text in (folder / "wandb.jsonl").read_text().splitlines()]
    for made in compared.reported.planned:
        told = [line for line in lines if line["run"] == made.cell.id]
        losses = [line["train/loss"] for line in told if "train/loss" in line]
        assert losses == [step.loss for step in made.steps]
        assert told[-1]["status"] == "ok"


def test_a_section_stands_in_the_report(page) -> None:
    assert "Slowest steps" in page
    assert "Times the median" in page


def test_a_command_stands_beside_llmbenchs_own(compared, folder) -> None:
    done = CliRunner().invoke(cli, ["best", str(folder)])
    assert done.exit_code == 0 or "picks no method" in str(done.exception)
    assert "best" in CliRunner().invoke(cli, ["--help"]).output
