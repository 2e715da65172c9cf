"""Models that write no text, a contrastive one and a diffusion model, compared as others are."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmbench import plugin
from llmbench.errors import ConfigError
from llmbench.record.comparison import Comparison
from llmbench.record.record import Record
from llmbench.testing import run
from llmbench.worker.encoding import Tokens

FOLDER = Path(__file__).parents[2] / "plugins" / "examples" / "pictures"
MODULES = ("make", "contrastive", "diffusion", "pictures")
LINES = 140


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, object]]:
    """The example's modules that can be imported here, as a script beside them sees them."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        for name in MODULES:
            try:
                found[name] = importlib.import_module(name)
            except ImportError:
                assert name == "diffusion"
        yield found
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def made(modules, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make.py` writes, its models hardly trained."""
    folder = tmp_path_factory.mktemp("pictures")
    modules["make"].make(folder, steps=2)
    return folder


def compared(folder: Path, model: str, **options: str) -> Comparison:
    """A short comparison of one of the models."""
    plugin.registry.cache_clear()
    plugin.include(FOLDER / "pictures.py")
    try:
        return run(
            folder / f"of-{model}",
            model=str(folder / model),
            trust_remote_code=True,
            task="pictures",
            data=str(folder / "train.jsonl"),
            eval_data=str(folder / "eval.jsonl"),
            seq_len=160,
            batch_size=8,
            eval_examples=16,
            **options,
        )
    finally:
        plugin.registry.cache_clear()


def by_composition(comparison: Comparison) -> dict[str, Record]:
    """The records, each of which ended well."""
    for record in comparison.records:
        assert record.status == "ok", record.reason
    return {record.cell.composition: record for record in comparison.records}


def test_a_contrastive_model_is_adapted_and_judged_by_what_it_retrieves(made: Path) -> None:
    records = by_composition(
        compared(made, "clip", strategies="lora", learning_rate="0.01", save="merged")
    )
    lora, base = records["lora"], records["base"]
    assert 0 < lora.parameters.trainable < lora.parameters.total
    assert lora.first_loss == pytest.approx(base.first_loss)
    assert lora.start.step == pytest.approx(lora.steps[0].loss, rel=1e-4)
    assert lora.moved.share > 0.4  # of the two factors, the first step moves one
    assert lora.eval_loss != base.eval_loss
    assert {e.scores["retrieval"] for e in base.examples} <= {0.0, 1.0}
    assert [(e.prediction, e.new_tokens) for e in lora.examples] == [("", 0)] * 16
    assert lora.generation is None
    assert lora.saved.form == "merged"
    page = (made / "of-clip" / "report.html").read_text("utf-8")
    assert "wrote nothing for" not in page


def test_a_diffusion_model_is_judged_by_the_noise_that_it_finds(made: Path) -> None:
    pytest.importorskip("diffusers")
    asked = {"strategies": "full+fresh-noise", "metrics": "denoising", "learning_rate": "0.001"}
    records = by_composition(compared(made, "unet", **asked))
    base, full = records["base"], records["full+fresh-noise"]
    error = [sum(e.scores["denoising"] for e in r.examples) / 16 for r in (base, full)]
    assert 0.1 < error[1] < error[0] < 2
    assert full.start.training == pytest.approx(full.first_loss)
    assert full.cell.members[1].brings == ("batches",)


def test_noise_is_the_same_for_a_picture_and_a_draw_and_drawn_anew_when_it_comes_again(
    modules,
) -> None:
    strategy = modules["pictures"].FreshNoise()
    one, other = Tokens((3, 4, 5), 1), Tokens((3, 3, 3), 1)
    assert strategy.batches([one, other], 0)["draws"].tolist() == [0, 0]
    assert strategy.batches([other, other], 0)["draws"].tolist() == [1, 1]
    if "diffusion" in modules:
        torch = importlib.import_module("torch")
        drawn, ids = modules["diffusion"]._drawn, torch.full((144,), 3)
        assert torch.equal(drawn(ids, 0)[0], drawn(ids, 0)[0])
        assert not torch.equal(drawn(ids, 0)[0], drawn(ids, 1)[0])


def test_a_metric_says_which_model_it_is_not_made_for(modules) -> None:
    from types import SimpleNamespace

    subject = SimpleNamespace(model=object(), inputs=["r"], tokenizer=None)
    with pytest.raises(ConfigError, match="This model has no 'errors'"):
        modules["pictures"]._asked(subject, "errors")


def test_no_picture_is_both_trained_on_and_evaluated(modules) -> None:
    make = modules["make"]
    train, held = (
        {row["pixels"] for row in make.pictures(moves)}
        for moves in (make.MOVES[:-1], make.MOVES[-1:])
    )
    assert len(train) == 144
    assert len(held) == 48
    assert not train & held


@pytest.mark.parametrize("name", MODULES)
def test_each_module_is_short(name: str) -> None:
    assert len((FOLDER / f"{name}.py").read_text("utf-8").splitlines()) <= LINES
