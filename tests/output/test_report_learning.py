"""The chart of what was learnt: validation loss over time and over tokens."""

from __future__ import annotations

import re

import pytest
import records
from markup import marks

from llmbench.analysis.judging import stand
from llmbench.output.html.charts.chart import Chart
from llmbench.output.html.charts.curves import learning_curves, loss_curves, validations
from llmbench.output.html.page import render
from llmbench.record.record import Record


def learnt(composition: str, *losses: float | None, seed: int = 0, rate: float = 9000) -> Record:
    cell = records.cell(composition, seed)
    done = records.ok(composition, tokens_per_second=rate, cell=cell)
    return records.validated(done, *losses)


def charted(*made: Record) -> Chart:
    found = learning_curves(stand(records.comparison(made)), None)
    assert found
    return found


def test_each_cell_is_a_line_over_time_and_one_over_tokens() -> None:
    one = charted(learnt("full", 3, 2, 1.5), learnt("lora", 3, 2.2, 1.6, rate=4000))
    assert len(marks(one)) == 4
    for name in ("full", "lora"):
        assert len([m for m in marks(one) if m.startswith(f"{name}: validation loss from")]) == 2
    drawn = str(one.drawing)
    assert "Training time, s" in drawn
    assert "Tokens trained on, padding left out" in drawn
    assert drawn.count(">full</text>") == drawn.count(">lora</text>") == 2


def test_without_two_validations_there_is_no_chart() -> None:
    alone = [records.ok("full"), learnt("base", 3), learnt("lora", 3, None)]
    assert learning_curves(stand(records.comparison(alone)), None) is None


def test_the_line_is_the_mean_on_a_band_from_least_to_largest() -> None:
    made = [learnt("full", 3, 2 + 0.1 * s, 1.5 + 0.1 * s, seed=s) for s in range(3)]
    point = validations(stand(records.comparison(made)).variants[0])[-1]
    assert (point.loss, point.low, point.high) == pytest.approx((1.6, 1.5, 1.7))
    seconds = [r.validation[-1].train_seconds for r in made]
    assert point.seconds == pytest.approx(sum(seconds) / 3)
    one = charted(*made)
    assert "bands reach from least to largest" in one.caption
    assert str(one.drawing).count('fill-opacity=".15"') == 2
    assert "fill-opacity" not in str(charted(made[0]).drawing)


def test_of_several_seeds_the_line_goes_as_far_as_all_got() -> None:
    made = [learnt("full", 3, 2, 1.5), learnt("full", 3, 2.1, None, seed=1)]
    assert len(validations(stand(records.comparison(made)).variants[0])) == 2


def test_the_loss_that_counts_as_quality_reached_is_a_line_across_both() -> None:
    one = charted(learnt("full", 3, 2, 1), learnt("lora", 3, 2.5, 2))
    assert str(one.drawing).count('stroke-dasharray="4 3"') == 2
    assert str(one.drawing).count("quality reached") == 2
    assert "90 % of the way from the untrained model&#39;s loss" in render(
        records.comparison([learnt("full", 3, 2, 1)])
    )
    unlearnt = charted(learnt("full", 3, 3.2, 3.1))
    assert "quality reached" not in str(unlearnt.drawing) + unlearnt.caption


def test_the_caption_says_what_the_loss_is_of_and_that_no_clock_ran() -> None:
    caption = charted(learnt("full", 3, 2)).caption
    assert "Loss on 64 examples (`train.jsonl, held out`)" in caption
    assert "neither trained on nor evaluated" in caption
    assert "No clock runs while it is measured" in caption


def test_a_line_far_above_the_others_leaves_the_chart_and_the_table_has_its_figures() -> None:
    made = [learnt(f"lora(r={n})", 3, 2, 1.9, 1.8, 1.7) for n in range(1, 6)]
    one = charted(*made, learnt("full", 3, 40, 400, 500, 522))
    assert "`full` leaves the chart at the top." in one.caption
    ticks = [float(t) for t in re.findall(r">(\d+\.?\d*)</text>", str(one.drawing))]
    assert "522.000" in one.table.texts[-1]
    assert max(ticks) < 50
    assert "leaves" not in charted(*made).caption


def test_the_table_holds_what_the_lines_show() -> None:
    record = learnt("full", 3, 1.5, 2)
    one = charted(record)
    assert one.table.header[:5] == ("Method", "Measured", "Before training", "Lowest", "Last")
    assert one.table.texts[0][:5] == ("full", "3", "3.000", "1.500", "2.000")
    assert one.table.texts[0][6] == f"{record.validation[-1].tokens:,}"


def test_time_is_in_a_unit_that_suits_the_longest() -> None:
    titles = {
        rate: re.findall(r"Training time, (\w+)", str(charted(learnt("full", 3, 2, rate=rate))))
        for rate in (9000, 90, 1)
    }
    assert [set(found) for found in titles.values()] == [{"s"}, {"min"}, {"h"}]


def test_a_cell_has_the_colour_that_it_has_in_the_chart_of_training_losses() -> None:
    made = [learnt(name, 3, 2, 1.5) for name in ("full", "full+flash-attention", "lora", "qlora")]
    # The second coincides with the first there, so that the others move up.
    made[1] = made[1].model_copy(update={"steps": made[0].steps})
    standing = stand(records.comparison(made))
    charts = [loss_curves(standing, None), learning_curves(standing, None)]
    for name in ("full", "lora", "qlora"):
        label = re.compile(rf'class="f-(series\d)">{name}(?: \(\+1\))?</text>')
        first, second = (label.findall(str(c and c.drawing)) for c in charts)
        assert [*first, *first] == second != []


def test_of_many_rows_the_chart_shows_some_and_the_table_all() -> None:
    many = charted(*(learnt(f"lora(r={n})", 3, 2) for n in range(1, 31)))
    assert len(many.table.texts) == 30
    assert len(marks(many)) == 48
    assert "6 more are in the table only" in many.caption


def test_the_page_has_it_beside_the_chart_of_training_losses() -> None:
    html = render(records.comparison([learnt("full", 3, 2, 1.5), learnt("lora", 3, 2.2, 1.6)]))
    assert html.index('id="chart-learning"') < html.index('id="chart-loss"')
    assert "Learning, as a table" in html
