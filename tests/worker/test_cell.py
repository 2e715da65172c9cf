"""Whole cells, in this process, on the tiny model."""

from __future__ import annotations

import math
import weakref
from contextlib import contextmanager

import pytest
import torch
from records import cell, job_of

from llmbench import plugin
from llmbench.analysis.checks import first_loss_problems
from llmbench.plugin.metric import Metric
from llmbench.plugin.task import Example
from llmbench.record import events
from llmbench.record.figure import ranking
from llmbench.record.record import Budget, Member, ModelRef, Record
from llmbench.source import data as dataset
from llmbench.storage.read import read_record
from llmbench.worker import cell as worker
from llmbench.worker import load, scoring, tokens, train, training, trial
from llmbench.worker.memory import Meter

pytestmark = pytest.mark.usefixtures("registry")  # whatever else is installed
EXAMPLES = [
    Example(
        f"e{i}", f"Anna: Will you come on day {i}? Tom: Yes.", (f"Tom comes on day {i}.", "Tom")
    )
    for i in range(6)
]
SETTINGS = {
    "steps": 4,
    "burn_in_steps": 1,
    "batch_size": 2,
    "seq_len": 96,
    "learning_rate": 1e-2,
    "eval_examples": 4,
    "eval_batch_size": 4,
    "max_new_tokens": 4,
}
CHAT = (
    "{% for m in messages %}{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}assistant\n{% endif %}"
)


@pytest.fixture
def run(model_folder, tmp_path):
    """Runs a cell; returns its record and what it said."""

    def start(ids: str, weights="pretrained", text=True, **changes) -> tuple[Record, list]:
        members = tuple(
            Member(id=i, options=changes.pop("options", {}), distribution="")
            for i in ids.split("+")
        )
        settings = SETTINGS | changes.pop("settings", {})
        model = ModelRef(id="tiny", weights=weights)
        made = cell(ids, members=members, settings=settings, model=model, **changes)
        data = tmp_path / "data.jsonl"
        data.write_text(dataset.lines(EXAMPLES))
        job = job_of(made, tmp_path, model_folder, data=data if text else None)
        said = []
        worker.run(job, said.append)
        return read_record(job.record_file), said

    return start


@pytest.fixture
def chat_template(monkeypatch):
    """Gives the tokenizer a chat template."""

    def give(wanted: str) -> None:
        loaded = tokens.load_tokenizer

        def with_template(*args):
            tokenizer = loaded(*args)
            tokenizer.chat_template = wanted
            return tokenizer

        monkeypatch.setattr(tokens, "load_tokenizer", with_template)

    return give


def test_a_cell_that_is_run_once_more_trains_and_is_not_evaluated(run):
    record, _ = run("lora", repeat=1)
    assert record.status == "ok"
    assert list(record.phases) == ["load", "prepare", "train"]
    assert len(record.steps) == 4


def test_a_pilot_is_evaluated_and_saves_nothing(run):
    record, _ = run("lora", pilot=True)
    assert record.status == "ok"
    assert list(record.phases) == ["load", "prepare", "train", "evaluate"]


def test_a_cell_trained_on_text_has_all_of_its_figures(run):
    record, said = run("lora")
    assert (record.status, record.reason) == ("ok", None)
    assert list(record.phases) == ["load", "prepare", "train", "evaluate", "save"]
    assert len(record.steps) == 4
    assert record.attention_kernels == ("flash",)
    assert record.optimizer == "AdamW"
    assert record.artifact_bytes > 0
    assert record.eval_loss > 0
    assert all(e.loss > 0 for e in record.examples)
    assert [e.id for e in record.examples] == [e.id for e in EXAMPLES]
    assert all(
        set(e.scores) == {"rouge1", "rouge2", "rougeL", "rougeLsum"} for e in record.examples
    )
    assert [e.phase for e in said if isinstance(e, events.PhaseBegun)] == list(record.phases)
    assert all(events.read(events.line(event)) == event for event in said)


def test_a_cell_says_how_its_prompts_were_written(run, chat_template):
    assert run("base")[0].effective["template"] == "plain"
    chat_template(CHAT)
    assert run("base")[0].effective["template"] == "chat"
    assert run("base", settings={"template": "plain"})[0].effective["template"] == "plain"


def test_a_chat_template_is_for_training_and_for_evaluation(run, chat_template):
    plain, _ = run("lora")
    chat_template(CHAT)
    chat, _ = run("lora")
    assert chat.status == "ok"
    assert chat.steps[0].nonpadding_tokens > plain.steps[0].nonpadding_tokens
    assert chat.eval_loss != plain.eval_loss
    assert not any("</s>" in e.prediction for e in chat.examples)


def test_chat_is_refused_where_the_tokenizer_has_no_template(run):
    record, _ = run("lora", settings={"template": "chat"})
    assert (record.status, record.phase) == ("failed", "load")
    assert record.reason == "'tiny' has no chat template: use --template plain."


def test_weights_that_the_last_step_spoilt_are_no_result(run, monkeypatch):
    """Its loss was taken before the update; only what comes after can tell."""
    step = torch.optim.AdamW.step
    taken = []

    def spoil(self, *args, **kwargs):
        step(self, *args, **kwargs)
        taken.append(self)
        if len(taken) == SETTINGS["steps"]:
            with torch.no_grad():
                self.param_groups[0]["params"][0].fill_(float("nan"))

    monkeypatch.setattr(torch.optim.AdamW, "step", spoil)
    record, _ = run("full")
    assert (record.status, record.phase) == ("diverged", "evaluate")
    assert len(record.steps) == SETTINGS["steps"]
    assert record.eval_loss is None


def test_a_base_model_whose_loss_is_no_number_goes_on_without_one(run, monkeypatch):
    monkeypatch.setattr(
        scoring, "reference_losses", lambda _, sequences, *__: [(float("nan"), 1)] * len(sequences)
    )
    record, _ = run("base")
    assert (record.status, record.eval_loss) == ("ok", None)
    assert len(record.examples) == len(EXAMPLES)


def test_sequences_beyond_the_model_s_positions_are_refused(run):
    record, _ = run("lora", weights="random", text=False, settings={"seq_len": 512})
    assert (record.status, record.phase) == ("failed", "train")
    assert record.reason == (
        "'tiny' has positions for 256 tokens, and 512 are more: lower --seq-len."
    )


def test_a_limit_beyond_the_model_s_positions_is_in_no_short_text_s_way(run):
    assert run("lora", settings={"seq_len": 512})[0].status == "ok"


@pytest.mark.parametrize("text", [True, False])
def test_predictions_beyond_the_model_s_positions_are_refused(run, text):
    record, _ = run("lora", text=text, settings={"max_new_tokens": 257})
    assert (record.status, record.phase) == ("failed", "load")
    assert record.reason == (
        "'tiny' has positions for 256 tokens, and 257 are more: lower --max-new-tokens."
    )


def test_the_longest_predictions_are_made_all_the_same(run):
    record, _ = run("base", settings={"max_new_tokens": 256})
    assert record.status == "ok"


def test_a_prompt_leaves_positions_for_what_it_is_continued_with(run):
    record, _ = run("lora", settings={"seq_len": 256, "max_new_tokens": 240})
    assert record.status == "ok"
    assert record.warnings == (
        "6 of 6 evaluated examples lost the end of their input, to fit 256 tokens (--seq-len).",
        "Prompts have at most 16 tokens: the model has positions for 256, predictions included "
        "(--max-new-tokens).",
    )


def test_what_was_in_force_is_written_down_as_it_was_seen(run):
    record, _ = run("lora+gradient-checkpointing")
    assert record.effective == {
        "base_weights": "float32",
        "trained_weights": "float32",
        "optimizer_states": "float32",
        "attention": "sdpa",
        "autocast": "off",
        "gradient_checkpointing": "on",
        "micro_batch": "2",
        "accumulation": "1",
        "longest_sequence": record.effective["longest_sequence"],
        "padding": record.effective["padding"],
        "gradients": "float32",
        "master_weights": "none",
        "template": "plain",
        "matmul_precision": "highest",
        "cudnn_tf32": "on",
        "deterministic": "off",
        "threads": str(torch.get_num_threads()),
        "decoding": "a cache that grows",
    }
    padded = max(s.padded_tokens for s in record.steps)
    assert 2 * int(record.effective["longest_sequence"]) == padded


def test_without_a_gpu_nothing_is_said_of_one(run):
    phase = run("lora", settings={"burn_in_steps": 3})[0].phases["train"]
    assert phase.conditions is None
    assert phase.memory.model_dump(exclude_none=True).keys() == {"host_growth_bytes"}


def test_the_base_is_evaluated_and_nothing_more(run):
    record, _ = run("base")
    assert (record.status, record.steps, record.artifact_bytes) == ("ok", (), None)
    assert record.first_loss > 0
    assert len(record.examples) == 6


def test_random_tokens_measure_speed_and_leave_quality_empty(run):
    record, _ = run("full", weights="random", text=False)
    assert record.status == "ok"
    assert (record.examples, record.eval_loss) == ((), None)
    assert record.generation.new_tokens == 4 * 4
    assert {s.padded_tokens for s in record.steps} == {2 * 96}


@pytest.mark.parametrize(
    ("stretched", "size", "sequences"), [("batch_size", 4, "4"), ("seq_len", 256, "2")]
)
def test_a_cell_that_stretches_trains_at_the_largest_size_and_evaluates_nothing(
    run, monkeypatch, stretched, size, sequences
):
    monkeypatch.setattr(trial, "MOST_SEQUENCES", 4)
    record, said = run("lora", fit=Budget(bytes=2**33, stretched=stretched))
    assert (record.status, record.reason, record.warnings) == ("ok", None, ())
    assert list(record.phases) == ["load", "prepare", "train"]
    assert record.fit.size == size
    assert record.cell.settings.batch_size == 2  # what was asked for
    tried = [e.size for e in said if isinstance(e, events.SizeTried)]
    assert [size for size, _ in record.fit.tried] == tried
    assert len(record.steps) == 4
    assert record.effective["micro_batch"] == sequences
    assert stretched == "batch_size" or record.effective["longest_sequence"] == "256"
    assert (record.examples, record.generation, record.artifact_bytes) == ((), None, None)


def test_the_optimiser_of_the_trials_is_gone_when_the_timed_steps_begin(run, monkeypatch):
    monkeypatch.setattr(trial, "MOST_SEQUENCES", 2)
    original, alive = train.train, []

    def watched(model, optimizer, *others):
        seen.append(weakref.ref(optimizer))
        alive.append({id(o) for ref in seen if (o := ref()) is not None})
        original(model, optimizer, *others)

    seen: list[weakref.ref] = []
    monkeypatch.setattr(train, "train", watched)
    run("full", fit=Budget(bytes=2**33))
    assert len(alive) == 3  # sizes 1 and 2, and the timed steps
    assert [len(objects) for objects in alive] == [1, 1, 1]


def test_where_nothing_fits_a_cell_is_skipped_with_the_reason(run):
    record, _ = run("lora", fit=Budget(bytes=1024))
    assert (record.status, record.phase, record.fit, record.steps) == ("skipped", "train", None, ())
    assert record.reason.startswith("Nothing fits into 1 KiB: a micro-batch of 1 sequence of 96 ")


def test_what_was_saved_is_measured_and_removed(run, tmp_path):
    record, _ = run("lora")
    whole, _ = run("full")
    assert record.artifact_bytes < whole.artifact_bytes / 2
    assert not (tmp_path / "artifact").exists()


def test_checks_before_training_are_no_part_of_its_peak(run, monkeypatch):
    paused, seen = [], {}

    class Watched(Meter):
        @contextmanager
        def paused(self):
            with super().paused():
                paused.append(True)
                yield
                paused.pop()

    def watch(module, name):
        own = getattr(module, name)

        def watched(*args):
            seen[name] = bool(paused)
            return own(*args)

        monkeypatch.setattr(module, name, watched)

    monkeypatch.setattr(worker, "Meter", Watched)
    watch(train, "first_loss")
    watch(training, "prove_kernel")
    run("lora")
    assert seen == {"first_loss": True, "prove_kernel": True}
    run("base")  # which does nothing else
    assert seen["first_loss"] is False


def test_the_same_seed_gives_the_same_cell(run):
    first, second, other = run("lora")[0], run("lora")[0], run("lora", seed=1)[0]
    assert [s.loss for s in first.steps] == [s.loss for s in second.steps]
    assert first.examples == second.examples
    assert [s.loss for s in first.steps] != [s.loss for s in other.steps]


def test_options_of_a_member_are_in_force(run):
    small, large = (run("lora", options={"r": r})[0].parameters.trainable for r in (2, 4))
    assert large == 2 * small


def test_inputs_that_do_not_fit_are_counted(run):
    record, _ = run("lora", settings={"seq_len": 32})
    assert len(record.warnings) == 2
    assert record.warnings[0] == (
        "6 of 6 training examples lost the end of their input, to fit 32 tokens (--seq-len)."
    )


@pytest.mark.parametrize(("own", "known"), [(3, (3,)), ([3, 4], (3, 4)), (None, ())])
def test_predictions_end_where_training_did_and_where_the_model_came_to(
    run, monkeypatch, tokenizer, own, known
):
    asked, generate, load_model = [], scoring.continued, load.load_model

    def loaded(*args):
        model = load_model(*args)
        model.generation_config.eos_token_id = own
        return model

    def generated(model, prompts, settings, pad, ends, *others):
        asked.append(ends)
        return generate(model, prompts, settings, pad, ends, *others)

    monkeypatch.setattr(load, "load_model", loaded)
    monkeypatch.setattr(scoring, "continued", generated)
    run("lora")
    assert asked == [(tokenizer.eos_token_id, *known)]


def test_a_loss_that_is_no_number_ends_the_cell_as_diverged(run):
    record, _ = run("full", settings={"learning_rate": 1e30, "max_grad_norm": 1e30})
    assert (record.status, record.phase) == ("diverged", "train")
    assert record.steps[-1].loss is None
    assert all(s.loss is not None for s in record.steps[:-1])


def test_a_loss_that_is_no_number_from_the_start_ends_the_cell_before_it_trains(
    run, registry, monkeypatch
):
    lora = registry.strategies.get("lora")
    prepare = lora.prepare

    def broken(strategy, model, settings):
        adapted = prepare(strategy, model, settings)
        adapted.get_output_embeddings().weight.data.fill_(float("nan"))
        return adapted

    monkeypatch.setattr(lora, "prepare", broken)
    record, _ = run("lora")
    assert (record.status, record.first_loss, record.steps) == ("diverged", None, ())
    assert record.reason.startswith("The loss is nan before anything is learnt")


def test_a_metric_that_fails_costs_no_prediction(run, registry):
    class Failing(Metric):
        id, summary = "failing", ""

        def score(self, predictions, references):
            raise ZeroDivisionError("in the metric")

    registry.metrics.add("failing", Failing, plugin.Plugin("test", "test"))
    record, _ = run("lora", metrics=("rouge", "failing"))
    assert (record.status, record.phase) == ("failed", "evaluate")
    assert "in the metric" in record.traceback
    assert len(record.examples) == 6
    assert record.generation.new_tokens > 0


def test_metrics_that_look_at_the_model_see_it_and_the_references_behind_their_prompts(run):
    record, _ = run("lora", metrics=("perplexity", "label-likelihood", "bleu", "rouge"))
    assert record.status == "ok", record.reason
    assert record.corpus_scores["perplexity"] == pytest.approx(math.exp(record.eval_loss), rel=1e-4)
    assert {e.scores["label_accuracy"] for e in record.examples} <= {0.0, 1.0}
    assert [m.id for m in record.measures][:3] == ["log_perplexity", "perplexity", "label_accuracy"]
    assert ranking([record]).id == "log_perplexity"


def test_a_strategy_whose_kernel_does_not_run_is_skipped_with_the_reason(
    run, registry, monkeypatch
):
    eager = registry.strategies.get("eager-attention")
    monkeypatch.setattr(eager, "load_kwargs", lambda *_: {"attn_implementation": "sdpa"})
    record, _ = run("full+eager-attention")
    assert (record.status, record.phase) == ("skipped", "train")
    assert record.reason == "Attention ran on flash, not without a fused kernel."
    assert record.steps == ()


def test_two_strategies_that_set_the_same_for_loading_are_refused(run, registry, monkeypatch):
    eager = registry.strategies.get("eager-attention")
    monkeypatch.setattr(eager, "load_kwargs", lambda *_: {"quantization_config": None})
    record, _ = run("4-bit+lora+eager-attention")
    assert (record.status, record.phase) == ("failed", "load")
    assert "'eager-attention' sets quantization_config for loading" in record.reason


def test_proving_the_kernel_draws_no_random_number(run):
    record, _ = run("lora", options={"dropout": 0.5})
    assert record.status == "ok"
    torch.manual_seed(0)
    again, _ = run("lora", options={"dropout": 0.5})
    assert [s.loss for s in record.steps] == [s.loss for s in again.steps]


def test_a_task_ends_predictions_where_it_says(run, monkeypatch):
    from llmbench.plugin.task import Task

    stopping = Task("summarization", "", "{input}", stop=("e", "n", "a", " "))
    entry = plugin.registry().tasks.entries["summarization"]
    monkeypatch.setattr(plugin.registry().tasks, "entries", {
        "summarization": type(entry)(stopping, entry.source)
    })  # fmt: skip
    record, _ = run("lora", settings={"max_new_tokens": 24})
    assert record.status == "ok", record.reason
    assert not any(s in e.prediction for e in record.examples for s in stopping.stop)


def test_what_special_tokens_in_data_are_is_told(run, monkeypatch):
    marked = [Example(e.id, f"{e.input}</s>", (f"{e.references[0]}</s>",)) for e in EXAMPLES]
    monkeypatch.setattr(f"{__name__}.EXAMPLES", marked)
    record, _ = run("lora")
    said = [w for w in record.warnings if w.startswith("6 of 6 training")]
    assert "bring a token that starts or ends a text" in said[0]
    assert "hold special tokens (</s>), which are read as text" in said[1]
    assert record.examples[0].references == ("Tom comes on day 0.",)


@pytest.mark.parametrize("ids", ["full", "lora", "lora+4-bit", "lora+8-bit", "qlora"])
def test_every_way_of_taking_the_first_loss_agrees(run, ids):
    record, _ = run(ids)
    assert record.status == "ok"
    taken = record.start
    assert taken.loaded == pytest.approx(record.first_loss, rel=0.005)
    assert taken.training == pytest.approx(record.first_loss, rel=0.005)
    assert record.steps[0].loss == pytest.approx(taken.step, rel=0.005)
    assert first_loss_problems([record]) == {}


def test_several_micro_batches_of_a_step_are_all_held_against_its_loss(run):
    record, _ = run("full", settings={"accumulation": 2})
    assert record.steps[0].loss == pytest.approx(record.start.step, rel=1e-4)
    assert record.start.step != pytest.approx(record.start.training, rel=1e-4)


def test_dropout_is_off_where_the_first_loss_is_taken_and_on_where_it_trains(run):
    record, _ = run("lora", options={"dropout": 0.5})
    assert record.start.dropout
    assert record.start.training == pytest.approx(record.first_loss, rel=1e-4)


@pytest.mark.parametrize(
    ("fast", "said"),
    [
        (lambda layer: layer.training, "In training mode its first loss"),
        (lambda layer: layer.training and torch.is_grad_enabled(), "The loss of its first step"),
    ],
)
def test_a_strategy_that_skips_layers_only_while_it_trains_is_caught(
    run, registry, monkeypatch, fast, said
):
    lora, loading = registry.strategies.get("lora"), load.load_model
    prepare = lora.prepare

    def with_layers_that_count(*arguments):
        model = loading(*arguments)
        model.model.layers[0].mlp.down_proj.weight.data *= 100
        model.get_output_embeddings().weight.data *= 20
        return model

    def skipping(strategy, model, settings):
        made = prepare(strategy, model, settings)
        layer = made.get_base_model().model.layers[0]
        whole = layer.forward
        layer.forward = lambda x, *a, **k: x if fast(layer) else whole(x, *a, **k)
        return made

    monkeypatch.setattr(load, "load_model", with_layers_that_count)
    monkeypatch.setattr(lora, "prepare", skipping)
    record, _ = run("lora")
    assert record.status == "ok"
    assert record.start.loaded == pytest.approx(record.first_loss, rel=1e-4)
    assert said in first_loss_problems([record])[record.cell.id]
