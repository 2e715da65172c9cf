"""Pre-training: random weights that are trained to be a model, and judged as one."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from transformers import AutoTokenizer

from llmbench.analysis.judging import stand
from llmbench.config import rate
from llmbench.config.config import COMMAND_LINE
from llmbench.config.setup import notices, set_up
from llmbench.errors import ConfigError
from llmbench.plugin import named
from llmbench.plugin.task import Example
from llmbench.record.settings import Settings
from llmbench.testing import run
from llmbench.wording.answer import answer
from llmbench.worker import template
from llmbench.worker.encoding import Encoder, remarks
from llmbench_models import letters
from make_characters import FOLDER, TEXTS

ASKED = {
    "model": "llmbench-characters",
    "weights": "random",
    "train_from_scratch": True,
    "task": "language-modelling",
    "strategies": "full,full+muon",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch") / "out"


@pytest.fixture(scope="module")
def compared(folder):
    """Two methods from two starts."""
    return run(folder, **ASKED, seeds="1,2", validation_examples=2, validations=1)


def test_what_ships_is_what_the_script_writes():
    made = letters.files(TEXTS)
    assert {p.name for p in FOLDER.iterdir()} == made.keys()
    for name, content in made.items():
        assert (FOLDER / name).read_text("utf-8") == letters.said(content)


def test_every_character_of_the_text_is_one_token():
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    ids = tokenizer(TEXTS[1], add_special_tokens=False)["input_ids"]
    assert len(ids) == len(TEXTS[1])
    assert tokenizer.decode(ids) == TEXTS[1]


def test_a_tokenizer_is_made_for_any_text(tmp_path):
    text, out = tmp_path / "own.txt", tmp_path / "model"
    text.write_text("Żółw śpi.\n")
    done = CliRunner().invoke(letters.command, [str(text), str(out), "--width", "32"])
    assert done.exit_code == 0, done.output
    ids = AutoTokenizer.from_pretrained(out)("żółw\n", add_special_tokens=False)["input_ids"]
    assert ids[0] == 0
    assert len(set(ids)) == len(ids) == 5
    refused = CliRunner().invoke(letters.command, [str(text), str(out), "--width", "36"])
    assert "--width 36 is no multiple of twice --heads 4" in refused.output


def test_what_the_tokenizer_does_not_know_is_told():
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    written = template.choose(tokenizer, "auto", "m", running=True)
    made = Encoder(tokenizer, named.task("language-modelling"), written, 64)
    for number, text in enumerate(("My lord!", "Żółw śpi.")):
        made.sequences(Example(str(number), "", (text,), ""))
    [said] = remarks(made.tally, Settings(), 2, "training")
    assert said.startswith("1 of 2 training examples hold what the tokenizer has no token for")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"weights": "pretrained", "model": "llmbench-tiny"}, "add --weights random"),
        ({"train_from_scratch": False, "tune": True}, "real weights, or --train-from-scratch"),
    ],
)
def test_only_random_weights_are_trained_from_scratch(changed, said):
    with pytest.raises(ConfigError, match=said):
        rate.to_tune(set_up([(COMMAND_LINE, {**ASKED, **changed})]))


def test_quality_is_judged_as_of_any_model():
    setup = set_up([(COMMAND_LINE, ASKED)])
    assert setup.has_text
    assert setup.config.settings.max_new_tokens == 64
    assert "others with each seed (--train-from-scratch)" in notices(setup)[0]


def test_each_seed_starts_elsewhere_and_its_methods_from_the_same_weights(compared):
    records = compared.records
    assert {r.status for r in records} == {"ok"}, [r.reason for r in records]
    starts = {
        seed: {round(r.first_loss, 4) for r in records if r.cell.seed == seed} for seed in (1, 2)
    }
    bases = {r.cell.seed: r.eval_loss for r in records if not r.cell.trains}
    assert [len(losses) for losses in starts.values()] == [1, 1]
    assert bases[1] != bases[2]
    assert {r.cell.model.weights for r in records} == {"scratch"}


def test_the_answer_holds_trained_models_against_each_other(compared):
    found = stand(compared)
    assert found.score is not None
    assert found.score.id == "bits_per_byte"
    assert {v.cell.composition for v in found.competing} == {"full", "full+muon"}
    assert found.against_base == {}
    said = answer(found)
    assert "untrained" not in " ".join([said.headline, *said.sentences])
    assert "ithout training" not in " ".join(said.sentences)


def test_the_report_says_where_the_weights_are_from(compared, folder):
    page = re.sub(r"<[^>]+>", "", (folder / "report.html").read_text("utf-8"))
    assert "llmbench-characters from scratch" in page
    assert "Weights are random as training begins, others with each seed" in page
    assert "quality means nothing" not in page
