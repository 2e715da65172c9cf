from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from records import GIB, cell

from llmbench.estimate.forecast import Forecast, Prediction
from llmbench.record.record import MemoryParts
from llmbench.record.settings import Settings
from llmbench.wording.fits import verdict
from llmbench.workers.job import Estimate

SETUP = SimpleNamespace(config=SimpleNamespace(settings=Settings()))


def row(composition, peak_gib, memory_gib=24, most=0):
    parts = MemoryParts(weights_bytes=int(peak_gib * GIB))
    estimate = Estimate(parts=parts, largest_batch_size=most)
    return Prediction(cell(composition), estimate, memory_gib * GIB)


def said(*rows, added=()):
    return verdict(Forecast(SETUP, rows, frozenset(added)))


def test_what_fits_is_named_what_needs_least_first_and_what_is_tight():
    text = said(row("lora", 22.9), row("qlora", 6), row("full", 60))
    assert text == "With 4 x 1,024 tokens, these fit: qlora (6.8 GiB), lora (23.7 GiB, tight)."


def test_what_does_not_fit_may_with_a_smaller_batch():
    text = said(row("qlora", 6), row("lora", 35, most=1))
    assert text.endswith("With a smaller --batch-size: lora (up to 1).")


def test_where_nothing_fits_a_way_out_is_named():
    more = "lora+gradient-checkpointing"
    text = said(row("lora", 35, most=2), row(more, 15), added=[more])
    assert text == (
        "Nothing that was asked for fits with 4 x 1,024 tokens. With gradient-checkpointing "
        f"added, these do: {more} (15.8 GiB). With a smaller --batch-size: lora (up to 2)."
    )


def test_where_nothing_helps_that_is_said():
    assert said(row("full", 60)).endswith("Try a smaller --seq-len, or a smaller model.")


def test_many_are_counted():
    rows = [row(name, 6) for name in "abcdef"]
    assert "d (6.8 GiB) and 2 more." in said(*rows)


@pytest.mark.parametrize("rows", [[], [row("lora", 6, memory_gib=0)]])
def test_without_a_gpu_there_is_no_answer(rows):
    assert said(*rows) is None


def test_what_is_not_predicted_is_no_part_of_it():
    unknown = replace(row("lora", 6), estimate=Estimate(reason="it looks into its tensors"))
    assert said(unknown) is None
