"""Predicted memory in the report: beside the measured, and where there was too little."""

from __future__ import annotations

import pytest
import records

from llmbench.analysis.judging import stand
from llmbench.output.html.page import render
from llmbench.output.methods import Row, Value, table
from llmbench.record.record import Record, Shortage
from llmbench.wording import predicted as estimate
from llmbench.wording.notes import notes

MINUS = "\N{MINUS SIGN}"


def predicted(composition: str, measured: float, gib: float, **changes: object) -> Record:
    return records.ok(composition, 0.5, measured, predicted=records.parts(gib), **changes)


def rows(*made: Record) -> tuple[list[str], list[Row]]:
    found = table(stand(records.comparison(made)), None, frozenset())
    return [c.id for c in found.columns], list(found.rows)


def value(column: str, *made: Record) -> Value:
    columns, found = rows(*made)
    return found[0].values[columns.index(column)]


def test_predicted_stands_beside_measured_with_the_error_and_in_a_column_of_its_own():
    one = predicted("lora", 40, 39)
    assert value("peak_memory_bytes", one).beside == f"predicted 39.0 GiB, {MINUS}2.5 %"
    own = value("predicted_peak_memory_bytes", one)
    assert (own.text, own.detail) == ("39.0 GiB", f"{MINUS}2.5 %")
    assert own.number == pytest.approx(39 * 2**30, rel=1e-5)


def test_the_column_is_there_only_where_something_was_predicted_and_then_to_be_chosen():
    assert "predicted_peak_memory_bytes" not in rows(records.ok("lora"))[0]
    html = render(records.comparison([predicted("lora", 40, 39), records.ok("full")]))
    assert 'data-column="predicted_peak_memory_bytes"> Predicted memory' in html
    assert f"predicted 39.0 GiB, {MINUS}2.5 %" in html


def test_what_is_not_trained_has_no_prediction():
    base = predicted("base", 14, 14)
    assert "predicted_peak_memory_bytes" not in rows(base)[0]
    assert "Peak memory predicted" not in render(records.comparison([base]))


def test_of_several_seeds_the_means_are_compared():
    made = [predicted("lora", 40 + s, 41, cell=records.cell("lora", s)) for s in range(3)]
    assert value("peak_memory_bytes", *made).beside == "predicted 41.0 GiB, 0.0 %"


def test_a_host_s_memory_is_not_held_against_a_prediction():
    one = predicted("lora", 40, 39, device="cpu")
    assert value("peak_memory_bytes", one).beside == ""
    assert not list(estimate.quality(stand(records.comparison([one]))))


def test_a_note_says_how_good_the_predictions_were():
    made = [
        predicted("lora", 40, 39),
        predicted("full", 60, 63),
        predicted("qlora", 10, 10.1),
        records.ok("base"),
    ]
    comparison = records.comparison(made)
    texts = [n.text for n in notes(comparison, stand(comparison)) if n.kind == "note"]
    (said,) = [t for t in texts if "predicted" in t]
    assert said.endswith("over 3 runs it was 2.5 % off at the median, and 5.0 % at worst (`full`).")
    near = [predicted("lora", 40, 40.001), predicted("full", 60, 60)]
    (exact,) = estimate.quality(stand(records.comparison(near)))
    assert exact.endswith("before anything ran: over 2 runs it was less than 0.1 % off.")
    (alone,) = estimate.quality(stand(records.comparison(made[:1])))
    assert alone.endswith("before anything ran: it was 2.5 % off (`lora`).")


@pytest.mark.parametrize("status", ["oom", "skipped"])
def test_too_little_memory_is_told_with_the_prediction_and_what_the_device_has(status: str):
    found = rows(
        records.ok("base"),
        records.ended("full", status, "Try qlora.", predicted=records.parts(150)),
    )[1]
    assert found[1].cause == "Try qlora. Predicted: 150 GiB; the device has 140 GiB."


def test_what_the_reason_says_is_not_said_again():
    reason = "It would need 150 GiB of 140 GiB: try qlora."
    one = records.ended("full", "skipped", reason, predicted=records.parts(150))
    assert rows(one)[1][0].cause == reason


def test_a_cell_that_was_skipped_for_another_reason_says_nothing_of_memory():
    one = records.ended("full", "skipped", "No kernel.", predicted=records.parts(30))
    assert rows(one)[1][0].cause == "No kernel."


def test_the_details_tell_what_was_predicted():
    short = Shortage(where="cuda", total_bytes=2**30)
    made = [
        predicted("lora", 40, 39),
        records.ended("full", "oom", "x", predicted=records.parts(150), shortage=short),
    ]
    assert estimate.predicted(made[0]) == f"39.0 GiB, {MINUS}2.5 % against the measured"
    assert estimate.predicted(made[1]) == "150 GiB"
    assert render(records.comparison(made)).count("<dt>Peak memory predicted</dt>") == 2
