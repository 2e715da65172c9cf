"""The examples of plugins: each is short, and works in one comparison of the shipped model."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import plugin_pages
import pytest
from click.testing import CliRunner
from torch.nn.utils import get_total_norm

from llmbench import plugin
from llmbench.analysis.checks import first_loss_problems
from llmbench.cli import cli
from llmbench.config.config import COMMAND_LINE
from llmbench.config.setup import set_up
from llmbench.plugin.strategy import Strategy
from llmbench.plugin.task import Turn
from llmbench.record.comparison import Comparison
from llmbench.record.record import Record
from llmbench.record.settings import Settings
from llmbench.testing import run
from llmbench.worker import batch, brought, loop, train, training
from llmbench.worker import precision as precisions
from llmbench.worker.encoding import Tokens

PLUGINS = Path(__file__).parents[2] / "plugins"
FILES = sorted((PLUGINS / "examples").glob("*.py"))
DATA = PLUGINS / "llmbench_tasks" / "data"
LINES = 60
STRATEGIES = (
    "full+wsd(decay=0.5)",
    "lora",
    "lora+chunked-loss(tokens=50)",
    "lora+packing",
    "lora+fused-norms",
    "lora+hf-trainer",
    "full+fp16",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the comparison lies."""
    return tmp_path_factory.mktemp("examples") / "out"


@pytest.fixture(scope="module")
def compared(folder: Path) -> Iterator[Comparison]:
    """All examples in one comparison, as `--plugin` takes them along; gone after these tests."""
    plugin.registry.cache_clear()
    for file in FILES:
        plugin.include(file)
    yield run(
        folder,
        strategies=",".join(STRATEGIES),
        task="chat-summary",
        data=str(DATA / "train.jsonl"),
        eval_data=str(DATA / "eval.jsonl"),
        metrics="similarity,perplexity",
        seq_len=256,
    )
    plugin.registry.cache_clear()


@pytest.fixture(scope="module")
def classified(folder: Path, compared: Comparison) -> Comparison:
    """One more, of labels, by another launcher."""
    rows = [{"city": f"City {n}", "degrees": 7 * n - 10} for n in range(8)]
    data = folder.parent / "weather.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    test = folder.parent / "test.jsonl"
    test.write_text(json.dumps({"city": "Bergen", "degrees": 31}) + "\n")
    options = {"data": str(data), "eval_data": str(test), "launcher": "niced"}
    return run(folder.parent / "labels", strategies="lora", task="weather", **options)


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


@pytest.mark.parametrize("precision", ["fp32", "bf16-mixed", "bf16-master", "bf16-true"])
def test_another_librarys_loop_clips_and_clears_what_the_optimiser_steps(
    compared: Comparison, model, precision: str
) -> None:
    settings = Settings(
        steps=3, accumulation=2, lr_warmup_ratio=0.0, max_grad_norm=0.05, precision=precision
    )
    texts = [Tokens(tuple(range(1, 9 + n)), prompt=3) for n in range(6)]
    steps = [[batch.collate([text], 0) for text in texts[n : n + 2]] for n in (0, 2, 4)]
    own = plugin.registry().strategies.get("hf-trainer")()
    usual = of_steps(copy.deepcopy(model), steps, settings, None)
    assert of_steps(model, steps, settings, own) == pytest.approx(usual, rel=1e-4)


def of_steps(model, steps, settings: Settings, own: Strategy | None) -> list[float]:
    """Norms of the gradients at every step of that loop, or llmbench's: of all, and of two."""
    precisions.cast_trained(model, settings.numerics)
    precisions.cast_products(model, settings.numerics, model.device)
    optimizer = training.make_optimizer(model, [], settings)
    seen: list[float] = []

    def look(*_: object) -> None:
        gradients = [w.grad for w in train.stepped(optimizer) if w.grad is not None]
        norm = float(get_total_norm(gradients))
        assert norm == pytest.approx(settings.max_grad_norm, rel=1e-2)
        seen.extend((norm, float(gradients[0].norm()), float(gradients[-1].norm())))

    optimizer.register_step_pre_hook(look)
    given = (model, optimizer, steps, settings, nullcontext, train.Observer())
    if own:
        loop.train(own, *given, brought.share_of_rate([], settings))
    else:
        train.train(*given)
    return seen


def test_a_listener_hears_every_step_while_it_happens(folder, compared) -> None:
    lines = [json.loads(text) for text in (folder / "wandb.jsonl").read_text().splitlines()]
    for made in compared.reported.planned:
        told = [line for line in lines if line["run"] == made.cell.id]
        losses = [line["train/loss"] for line in told if "train/loss" in line]
        assert losses == [step.loss for step in made.steps]
        assert told[-1]["status"] == made.status


def test_a_section_stands_in_the_report(page) -> None:
    assert "Slowest steps" in page
    assert "Times the median" in page


def test_a_command_stands_beside_llmbenchs_own(compared, folder, monkeypatch) -> None:
    point = EntryPoint("best", "best", "llmbench")  # as if a distribution had brought it
    monkeypatch.setattr("llmbench.cli.entry_points", lambda group: [point])
    done = CliRunner().invoke(cli, ["best", str(folder)])
    assert done.exit_code == 0 or "picks no method" in str(done.exception)
    assert "best" in CliRunner().invoke(cli, ["--help"]).output


def test_every_want_has_an_example_and_every_example_a_want() -> None:
    named = {PLUGINS / name for name in plugin_pages.WANTS.values()}
    assert set(FILES) <= named
    for path in named:
        assert len(path.read_text("utf-8").splitlines()) <= LINES, path


def test_a_metric_of_ones_own_ranks_beside_perplexity(record, page) -> None:
    made = record("lora")
    assert [m.id for m in made.measures][:1] == ["similarity"]
    assert made.measures[1].metric == "perplexity"
    assert all(0 <= e.scores["similarity"] <= 1 for e in made.examples)
    assert "Similarity" in page


def test_a_task_writes_its_prompts_with_a_systems_words() -> None:
    tokenizer = SimpleNamespace(chat_template=None, bos_token="<s>")
    task = plugin.registry().tasks.get("chat-summary")
    said = task.write([Turn("user", "Hello.")], tokenizer)
    assert said.startswith("<s>system: You summarise")
    assert said.endswith("user: Hello.\nassistant:")


def test_labels_are_chosen_by_likelihood_and_workers_started_by_another_launcher(
    classified: Comparison,
) -> None:
    for made in classified.reported.planned:
        assert made.status == "ok", made.reason
        assert made.examples[0].references == ("hot",)
        assert made.examples[0].scores["label_accuracy"] in (0.0, 1.0)


def test_fp16_is_declared_and_skipped_without_a_gpu(compared: Comparison) -> None:
    made = next(r for r in compared.records if r.cell.composition == "full+fp16")
    assert made.cell.declared["precision"] == "fp16-mixed"
    assert (made.status, made.reason) == ("skipped", "Training in fp16 needs a GPU.")


def test_exporters_write_bytes_and_folders(folder: Path, compared: Comparison) -> None:
    from pyarrow import parquet

    table = parquet.read_table(folder / "steps.parquet").to_pylist()
    trained = [r for r in compared.reported.planned if r.steps]
    assert [row["loss"] for row in table] == [s.loss for r in trained for s in r.steps]
    files = {path.stem for path in (folder / "predictions").iterdir()}
    assert files == {r.cell.id for r in compared.reported.planned if r.examples}


def test_a_probes_figures_are_columns(folder: Path, record, page) -> None:
    rows = {r["strategy"]: r for r in json.loads((folder / "results.json").read_text())}
    assert rows["lora"]["stalls.train.longest_gap_seconds"] > 0
    assert rows["lora"]["stalls.load.longest_gap_seconds"] is None
    assert rows["base"]["stalls.train.longest_gap_seconds"] is None
    assert "longest gap seconds (train)" in page


def test_a_models_defaults_are_taken_unless_others_are_asked_for(compared: Comparison) -> None:
    asked = {"model": "short-smollm", "weights": "pretrained"}
    settings = set_up([(COMMAND_LINE, asked)]).config.settings
    assert (settings.seq_len, settings.batch_size) == (256, 16)
    longer = set_up([(COMMAND_LINE, {**asked, "seq_len": 512})]).config.settings
    assert (longer.seq_len, longer.batch_size) == (512, 16)
