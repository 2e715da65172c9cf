"""DPO as somebody else ships it: its task, its metric, and TRL's trainer on llmbench's clock."""

from __future__ import annotations

import copy
import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from distribution import QUICK, install_project, llmbench
from torch.nn.functional import logsigmoid

from llmbench.errors import ConfigError, DataError
from llmbench.plugin.metric import Subject
from llmbench.plugin.strategy import CannotRun
from llmbench.record.settings import Settings
from llmbench.source import data
from llmbench.storage.store import Store
from llmbench.worker import batch, brought, loop, train, training
from llmbench.worker.encoding import Tokens

FOLDER = Path(__file__).parents[2] / "plugins" / "examples" / "llmbench-dpo"
sys.path.insert(0, str(FOLDER))
from llmbench_dpo.metric import Preference  # noqa: E402
from llmbench_dpo.strategy import Dpo  # noqa: E402
from llmbench_dpo.task import PREFERENCE  # noqa: E402

SETTINGS = Settings(steps=3, lr_warmup_ratio=0.0, schedule="constant", learning_rate=1e-2)
ADAPTER = "adapter_model.safetensors"
PROMPT = tuple(range(10, 16))
PAIRS = [
    Tokens((*PROMPT, *range(20, 24 + n)), 6, rejected=((*PROMPT, *range(40 + n, 45)),))
    for n in range(4)
]


def said(*texts: str) -> list[dict[str, str]]:
    """Messages of user and assistant in turn."""
    return [
        {"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hi?", "chosen": "Hello.", "rejected": "No."},
        {"prompt": said("Hi?"), "chosen": said("", "Hello.")[1:], "rejected": said("", "No.")[1:]},
        {"prompt": "Hi?", "chosen": said("Hi?", "Hello."), "rejected": said("Hi?", "No.")},
        {"chosen": said("Hi?", "Hello."), "rejected": said("Hi?", "No.")},
    ],
)
def test_preference_rows_are_read_in_the_shapes_that_they_come_in(row) -> None:
    made = PREFERENCE.read(row)
    assert (made.input, made.references, made.rejected) == ("Hi?", ("Hello.",), ("No.",))


def test_turns_before_the_prompt_are_kept() -> None:
    told = said("Hi?", "Hello.", "And now?")
    row = {"chosen": [*told, said("", "Go.")[1]], "rejected": [*told, said("", "Stay.")[1]]}
    made = PREFERENCE.read(row)
    assert [turn.text for turn in made.turns] == ["Hi?", "Hello."]
    assert (made.input, made.references, made.rejected) == ("And now?", ("Go.",), ("Stay.",))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "Hi?", "chosen": "Yes.", "rejected": "Yes."}, "answers are the same"),
        ({"prompt": "Hi?", "chosen": "Yes."}, "there is no text in 'rejected'"),
        (
            {"chosen": said("Hi?", "Yes."), "rejected": said("Ho?", "No.")},
            "follow different prompts",
        ),
        ({"prompt": "Hi?", "chosen": [1], "rejected": [2]}, "no list of messages"),
    ],
)
def test_a_row_that_is_no_preference_is_named_with_its_reason(tmp_path, row, reason) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=rf"row 1 has something wrong .*{reason}"):
        data.read(path, PREFERENCE)


BEFORE = {"good": 9.0, "bad": 2.0, "fine": 3.0, "poor": 4.0, "well": 1.0, "ill": 1.0}


class Told(Subject):
    """A model with a likelihood for every answer, and another before it was trained."""

    references, rejected = [["good"], ["fine"], ["well"]], [["bad"], ["poor"], ["ill"]]

    def __init__(self, **now: float) -> None:
        self.nats = BEFORE | now

    def losses(self, answers):
        return [(self.nats[answer], 1) for answer in answers]

    def base(self):
        return nullcontext(Told() if self.nats != BEFORE else self)


def test_an_answer_is_preferred_by_what_it_gained_over_the_reference_whatever_it_has() -> None:
    found = Preference().look(Told(good=8.0, fine=3.5, poor=4.0))
    assert found.examples["reward_margin"] == pytest.approx([1.0, -0.5, 0.0])
    assert found.examples["preference_accuracy"] == [1.0, 0.0, 0.5]


def test_the_untrained_model_prefers_neither() -> None:
    assert Preference().look(Told()).examples["preference_accuracy"] == [0.5] * 3


def test_data_without_rejected_answers_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(Told, "rejected", [["bad"], [], ["ill"]])
    with pytest.raises(ConfigError, match="needs an answer that was rejected"):
        Preference().look(Told())
    with pytest.raises(CannotRun, match="needs a rejected answer in every example"):
        brought.batches([Dpo()], [[batch.collate([Tokens((1, 2, 3), 1)], 0)]], 0)


def by_hand(model, reference, inputs, beta: float) -> float:
    """DPO's loss of a batch, from the paper's equation 7."""
    ids, answers = inputs["input_ids"], inputs["completion_mask"]

    def likelihood(of):
        with torch.no_grad():
            tokens = of(input_ids=ids, use_cache=False).logits.log_softmax(-1)
        taken = tokens[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
        return (taken * answers[:, 1:]).sum(1)

    gained = likelihood(model) - likelihood(reference)
    chosen, rejected = gained.chunk(2)
    return float(-logsigmoid(beta * (chosen - rejected)).mean())


@pytest.mark.parametrize(
    ("adapters", "precision"), [(False, "fp32"), (False, "bf16-master"), (True, "fp32")]
)
def test_trl_trains_on_the_papers_loss_and_leaves_the_model_as_it_was(
    model, tokenizer, adapters, precision
) -> None:
    pytest.importorskip("trl")
    from peft import LoraConfig, get_peft_model

    own, reference = Dpo(beta=0.5), copy.deepcopy(model)
    if adapters:
        model = get_peft_model(model, LoraConfig(target_modules="all-linear"))
    padded = [[batch.collate(PAIRS[:2], 0), batch.collate(PAIRS[2:], 0)]] * 3
    settings = SETTINGS.model_copy(update={"accumulation": 2, "precision": precision})
    steps = brought.batches([own], padded, 0)
    optimizer = training.make_optimizer(model, [], settings)
    seen: list[float] = []
    before = []

    class Watcher(train.Observer):
        def before_step(self, number: int) -> None:
            assert all(w.grad is None for w in train.stepped(optimizer))
            halves = [by_hand(model, reference, b.inputs, 0.5) for b in steps[0]]
            before.append(sum(halves) / 2)

        def after_step(self, step) -> None:
            seen.append(step.loss)
            assert step.padded_tokens == sum(b.padded_tokens for b in steps[0])

    share = brought.share_of_rate([], settings)
    loop.train(own, model, optimizer, steps, settings, nullcontext, Watcher(), share, tokenizer)
    assert seen == pytest.approx(before, rel=1e-4)
    assert seen[0] == pytest.approx(0.6931, abs=1e-4)
    assert seen[-1] < seen[0]
    inner = model.get_base_model() if adapters else model
    assert "forward" not in vars(inner)
    assert list(getattr(model, "peft_config", {})) == (["default"] if adapters else [])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the distribution in it."""
    folder = tmp_path_factory.mktemp("site")
    install_project(folder, FOLDER)
    return folder


def test_it_is_compared_end_to_end_with_an_objective_that_the_report_tells_of(
    site: Path, tmp_path: Path
) -> None:
    pytest.importorskip("trl")
    for name, count in (("train", 8), ("eval", 4)):
        rows = (
            {"prompt": f"Count to {n}.", "chosen": " ".join("abcdefgh"[: n % 8]), "rejected": "No."}
            for n in range(1, count + 1)
            if n % 8
        )
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("compare", *QUICK, "--strategies", "lora+dpo", "--task", "preference")
    told = ("--data", "train.jsonl", "--eval-data", "eval.jsonl", "--output", "out")
    told += ("--save", "adapter")
    done = llmbench(site, *command, *told, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    base, made = Store(tmp_path / "out").read().records
    assert [e.scores["preference_accuracy"] for e in base.examples] == [0.5, 0.5]
    assert {e.scores["preference_accuracy"] for e in made.examples} <= {0.0, 0.5, 1.0}
    assert all(e.scores["reward_margin"] for e in made.examples)
    assert made.cell.members[1].objective == "DPO's loss, the mean over pairs"
    assert made.steps[0].loss == pytest.approx(made.start.step, abs=1e-4)
    kept = tmp_path / "out" / "models" / made.cell.id
    adapter = json.loads((kept / "adapter_config.json").read_text("utf-8"))
    assert adapter["base_model_name_or_path"] == "llmbench-tiny"
    assert [path.name for path in kept.glob("**/adapter_model.safetensors")] == [ADAPTER]
    assert "| Preference accuracy " in (kept / "README.md").read_text("utf-8")
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "trains on DPO&#39;s loss, the mean over pairs" in page
    assert "a training loop of its own, which is timed" in page
