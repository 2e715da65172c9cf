"""What fits: trials on the tiny model, with memory that is made up or really measured."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from records import cell

from llmbench.plugin.strategy import CannotRun
from llmbench.record import events
from llmbench.record.record import Budget
from llmbench.worker import train, training, trial
from llmbench.worker.encoding import Tokens
from llmbench.worker.trial import NO_MEMORY

WEIGHTS, TOKEN = 1000, 10


class MadeUp:
    """A meter to which every token of the largest batch costs the same; it may be on CUDA."""

    cuda = True

    def __init__(self, model: torch.nn.Module, most_tokens: int = 10**9) -> None:
        self.model, self.most_tokens = model, most_tokens
        self.resets = 0
        self.seen: list[tuple[int, int]] = []
        self.tokens = 0
        model.register_forward_pre_hook(self.look, with_kwargs=True)

    def look(self, module, args, kwargs) -> None:
        shape = tuple(kwargs["input_ids"].shape)
        self.seen.append(shape)
        if shape[0] * shape[1] > self.most_tokens:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        self.tokens = max(self.tokens, shape[0] * shape[1])

    def reset(self) -> None:
        self.resets += 1
        self.tokens = 0

    def sample(self) -> None:
        """It knows without."""

    def peak_so_far(self) -> int:
        return WEIGHTS + TOKEN * self.tokens


class Notes:
    """What a recorder is told."""

    def __init__(self, meter) -> None:
        self.meter, self.said, self.noted, self.warnings = meter, [], {}, []

    def say(self, event) -> None:
        self.said.append(event)

    def note(self, **fields) -> None:
        self.noted |= fields

    def warn(self, sentence) -> None:
        self.warnings.append(sentence)


class Job(SimpleNamespace):
    def model_copy(self, update):
        return Job(**{**vars(self), **update})


@pytest.fixture
def running(model):
    """The tiny model, ready to be tried within a budget."""

    def make(budget: int, stretched="batch_size", most_tokens=10**9, device="cuda", **settings):
        made = cell(
            "full",
            fit=Budget(bytes=budget, stretched=stretched),
            settings={"seq_len": 16, "batch_size": 2, "accumulation": 1, **settings},
        )
        return SimpleNamespace(
            job=Job(cell=made),
            model=model,
            recorder=Notes(MadeUp(model, most_tokens)),
            device=torch.device(device),
            context=nullcontext,
            loss=train.forward_loss,
            strategies=(),
            pad=0,
        )

    return make


def stretched(made, sequences=None) -> int:
    """Stretch the cell; returns the size that its settings have then."""
    settings = made.job.cell.settings
    trial.stretch(made, sequences, train.adamw(list(made.model.parameters()), settings))
    return getattr(made.job.cell.settings, made.job.cell.fit.stretched)


def test_the_micro_batch_is_the_largest_that_the_budget_holds(running):
    made = running(WEIGHTS + TOKEN * 16 * 11)
    assert stretched(made) == 11
    assert made.recorder.noted["fit"].size == 11
    assert (12, WEIGHTS + TOKEN * 16 * 12) in made.recorder.noted["fit"].tried


def test_the_sequence_is_a_multiple_of_eight_and_the_micro_batch_stays(running):
    made = running(WEIGHTS + TOKEN * 2 * 85, "seq_len")
    assert stretched(made) == 80
    assert made.job.cell.settings.batch_size == 2
    assert {rows for rows, _ in made.recorder.meter.seen} == {2}


def test_no_sequence_is_longer_than_the_model_has_positions(running):
    made = running(10**9, "seq_len")
    assert stretched(made) == 256 == made.model.config.max_position_embeddings


def test_running_out_of_memory_does_not_fit_and_hurts_no_later_trial(running):
    made = running(10**9, most_tokens=16 * 5)
    assert stretched(made) == 5
    assert (6, NO_MEMORY) in made.recorder.noted["fit"].tried
    assert all(p.grad is None for p in made.model.parameters())


def test_an_error_that_is_not_of_memory_is_none_of_the_searchs(running, monkeypatch):
    made = running(10**9)
    monkeypatch.setattr(MadeUp, "peak_so_far", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stretched(made)


@pytest.mark.parametrize(("brings", "why"), [("train", "own loop"), ("record", "one length")])
def test_what_takes_other_memory_than_the_trials_is_refused(running, brings, why):
    made = running(10**9)
    made.strategies = (SimpleNamespace(id="own", brings=lambda: {brings}),)
    with pytest.raises(CannotRun, match=rf"Sizes are tried .*{why}.*'own'"):
        training.fill_budget(made, None)


@pytest.mark.parametrize(
    ("most_tokens", "need"), [(10**9, "3 KiB, 2 KiB more"), (0, "more than the device has")]
)
def test_where_nothing_fits_the_reason_names_what_the_smallest_needs(
    running, monkeypatch, most_tokens, need
):
    monkeypatch.setattr(MadeUp, "peak_so_far", lambda self: 3 * 1024)
    made = running(1024, most_tokens=most_tokens)
    with pytest.raises(CannotRun) as caught:
        stretched(made)
    assert str(caught.value) == (
        f"Nothing fits into 1 KiB: a micro-batch of 1 sequence of 16 tokens needs {need}."
    )
    assert "fit" not in made.recorder.noted


def test_what_only_the_free_tenth_keeps_out_is_said_to_be_kept_out_by_it(running, monkeypatch):
    monkeypatch.setattr(MadeUp, "peak_so_far", lambda self: 95 * 1024)
    with pytest.raises(CannotRun, match="needs 95 KiB, and a tenth of a budget of host memory is"):
        stretched(running(100 * 1024, device="cpu"))


def test_the_smallest_of_a_stretched_length_is_named_with_its_micro_batch(running):
    with pytest.raises(CannotRun, match="a micro-batch of 2 sequences of 8 tokens needs"):
        stretched(running(1024, "seq_len"))


def test_trials_leave_the_weights_as_they_are(running):
    made = running(WEIGHTS + TOKEN * 16 * 3, weight_decay=0.1)
    before = [p.detach().clone() for p in made.model.parameters()]
    stretched(made)
    after = list(made.model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_every_trial_is_two_whole_steps_with_the_accumulation_that_was_asked_for(running):
    made = running(WEIGHTS + TOKEN * 16 * 1, accumulation=3)
    stretched(made)
    assert made.recorder.meter.seen == [(1, 16)] * 6 + [(2, 16)] * 6


def test_every_trial_starts_with_a_fresh_peak_and_says_what_it_tries(running):
    made = running(WEIGHTS + TOKEN * 16 * 3)
    stretched(made)
    sizes = [size for size, _ in made.recorder.noted["fit"].tried]
    assert made.recorder.meter.resets == len(sizes)
    assert made.recorder.said == [events.SizeTried(size=s) for s in sizes]


def test_text_is_tried_with_the_longest_sequence_alone(running):
    made = running(WEIGHTS + TOKEN * 9 * 4)
    sequences = [Tokens(tuple(range(1, n)), prompt=2) for n in (5, 10, 7)]
    assert stretched(made, sequences) == 4
    assert {length for _, length in made.recorder.meter.seen} == {9}


def test_on_a_host_a_tenth_of_the_budget_is_left_alone(running):
    fitting = stretched(running(5000, device="cpu"))
    assert WEIGHTS + TOKEN * 16 * fitting <= 4500 < WEIGHTS + TOKEN * 16 * (fitting + 1)


@pytest.mark.parametrize("beyond", [0, 1])
def test_timed_steps_beyond_the_budget_are_warned_of(running, beyond):
    made = running(WEIGHTS)
    made.recorder.meter.tokens = 1
    made.job.cell = cell("full", fit=Budget(bytes=WEIGHTS + TOKEN - beyond))
    trial.hold_to(made)
    assert len(made.recorder.warnings) == beyond


def test_an_ordinary_cell_is_held_to_nothing(running):
    made = running(1)
    made.job.cell = cell("full")
    trial.hold_to(made)
    assert made.recorder.warnings == []
