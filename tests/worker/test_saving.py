"""What is kept of a cell: its adapter, merged or not, with a card that carries its row."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from llmbench.config.config import COMMAND_LINE
from llmbench.config.setup import set_up
from llmbench.errors import ConfigError
from llmbench.plugin.launcher import Launcher
from llmbench.run import keeping
from llmbench.testing import run
from llmbench.worker import batch, saving
from llmbench.worker.encoding import Tokens

FIRST = batch.collate([Tokens(tuple(range(1, 9)), prompt=3)], 0)


@pytest.fixture
def adapted(model):
    """Makes a cell that runs, with an adapter of peft that does something."""

    def made(**options):
        from peft import LoraConfig, get_peft_model

        adapter = get_peft_model(copy.deepcopy(model), LoraConfig(**options))
        torch.manual_seed(1)
        with torch.no_grad():
            for weight in adapter.parameters():
                if weight.requires_grad:
                    weight.add_(0.05 * torch.randn_like(weight))
        said: list[str] = []
        return SimpleNamespace(
            model=adapter.eval(),
            first=FIRST,
            spread=SimpleNamespace(ranks=1),
            job=SimpleNamespace(save="merged"),
            recorder=SimpleNamespace(warn=said.append, said=said),
        )

    return made


def test_a_merged_model_computes_what_its_parts_did_and_loads_without_them(adapted, tmp_path):
    from transformers import AutoModelForCausalLM

    running = adapted(target_modules="all-linear")
    with torch.no_grad():
        before = running.model(input_ids=FIRST.input_ids).logits
    saving.write(running, running.model, tmp_path / "kept")
    saved = saving.kept(running, tmp_path / "kept")
    assert (saved.form, running.recorder.said) == ("merged", [])
    assert saved.merged_loss == pytest.approx(saved.loss, rel=1e-5)
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "kept")
    with torch.no_grad():
        assert torch.allclose(again(input_ids=FIRST.input_ids).logits, before, atol=1e-4)
    assert not (tmp_path / "kept" / "adapter_config.json").exists()


def test_a_merge_that_gives_another_model_is_refused_and_the_adapter_kept(
    adapted, tmp_path, monkeypatch
):
    running = adapted(target_modules="all-linear")
    folder = tmp_path / "kept"
    saving.write(running, running.model, folder)
    losses = iter((2.0, 2.5))
    monkeypatch.setattr(saving.train, "first_loss", lambda model, first: next(losses))
    assert saving.kept(running, folder).form == "adapter"
    assert "would be 2.500, and is 2.000" in running.recorder.said[0]
    assert (folder / "adapter_model.safetensors").exists()


def test_a_merge_that_peft_refuses_costs_nothing_but_the_merge(adapted, tmp_path, monkeypatch):
    running = adapted(target_modules="all-linear")
    saving.write(running, running.model, tmp_path / "kept")

    def refuse(**options):
        raise ValueError("NaNs detected in the merged weights")

    monkeypatch.setattr(running.model.base_model, "merge_and_unload", refuse)
    assert saving.kept(running, tmp_path / "kept").form == "adapter"
    assert "peft cannot (NaNs detected in the merged weights)" in running.recorder.said[0]


def test_what_was_trained_on_several_gpus_or_stands_before_the_input_is_not_merged(adapted):
    running = adapted(target_modules="all-linear")
    assert saving.obstacle(running) is None
    running.model.peft_config = {"default": SimpleNamespace(is_prompt_learning=True)}
    assert "no part of any weight" in saving.obstacle(running)
    running.spread.ranks = 2
    assert "several GPUs" in saving.obstacle(running)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory):
    """A comparison that keeps what it trains, and its folder."""
    folder = tmp_path_factory.mktemp("kept") / "out"
    return folder, run(folder, strategies="full,lora,lora+4-bit", save="merged")


def kept(compared, composition: str) -> tuple[Path, str]:
    """The folder of what was kept of a composition, and its card."""
    folder, comparison = compared
    record = next(r for r in comparison.records if r.cell.composition == composition)
    assert record.status == "ok", record.reason
    made = folder / "models" / record.cell.id
    return made, (made / "README.md").read_text("utf-8")


def test_every_cell_that_trains_is_kept_with_a_tokenizer_and_nothing_lies_about(compared):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, comparison = compared
    trained = {r.cell.id: r.saved.form for r in comparison.records if r.saved}
    assert {path.name for path in (folder / "models").iterdir()} == trained.keys()
    assert sorted(trained.values()) == ["adapter", "merged", "whole"]
    assert not (folder / ".work").exists()
    for composition in ("full", "lora"):
        made, _ = kept(compared, composition)
        tokens = AutoTokenizer.from_pretrained(made)("Hello", return_tensors="pt")
        assert AutoModelForCausalLM.from_pretrained(made)(
            input_ids=tokens["input_ids"]
        ).logits.any()


def test_what_cannot_be_merged_is_told_and_kept_as_an_adapter(compared):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from llmbench import plugin

    made, card = kept(compared, "lora+4-bit")
    assert "not merged into the base: the base's weights are quantised" in card
    base = plugin.registry().models.get("llmbench-tiny").folder
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), made)
    config = json.loads((made / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "llmbench-tiny"
    assert "library_name: peft" in card


def test_a_card_carries_its_row(compared):
    _, comparison = compared
    record = next(r for r in comparison.records if r.cell.composition == "lora")
    _, card = kept(compared, "lora")
    assert card.startswith("---\nbase_model: llmbench-tiny\nlibrary_name: transformers\n")
    scores = [example.scores["rougeL"] for example in record.examples]
    assert f"from 0 to 1) | {sum(scores) / len(scores):.3f} |" in card
    for said in (
        "| Method | `lora` |",
        f"SHA-256 `{record.cell.train_data.sha256}`",
        f"| Eval loss | {record.eval_loss:.3f} |",
        "| Host memory, peak while training | ",
        "| Training speed | ",
        f"torch {record.environment.versions['torch']}",
        "| Command | `llmbench.testing` |",
        "| Merged | loss on the first training batch ",
    ):
        assert said in card


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("config.json", {"is_encoder_decoder": True}, "AutoModelForSeq2SeqLM"),
        ("adapter_config.json", {"task_type": "SEQ_2_SEQ_LM"}, "AutoModelForSeq2SeqLM"),
        ("adapter_config.json", {"task_type": "CAUSAL_LM"}, "AutoModelForCausalLM"),
        ("config.json", {}, "AutoModelForCausalLM"),
    ],
)
def test_a_card_names_the_class_that_loads_the_model(tmp_path, name, values, kind):
    (tmp_path / name).write_text(json.dumps(values))
    assert keeping._kind(tmp_path) == kind


def test_nothing_is_kept_unless_it_is_asked_for():
    assert set_up([(COMMAND_LINE, {})]).config.save == "no"


def test_a_launcher_whose_files_stay_elsewhere_keeps_nothing_and_says_so(registry):
    class Far(Launcher):
        id, summary, elsewhere, shares_files = "far", "", True, False

        @classmethod
        def environment(cls, device, gpus):
            from llmbench.machine import collect

            return collect("cpu")

        def run(self, *args):
            raise AssertionError

    registry.launchers.add("far", Far, next(iter(registry.launchers.entries.values())).source)
    with pytest.raises(ConfigError, match="--save keeps files, and those of '--launcher far'"):
        keeping.check(set_up([(COMMAND_LINE, {"save": "adapter", "launcher": "far"})]))
