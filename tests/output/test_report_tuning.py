"""The section on learning rates: what was tried, what it came to, and what was chosen."""

from __future__ import annotations

import re

import pytest
import records
from markup import marks

from llmbench.analysis.judging import stand
from llmbench.output.html.charts.chart import Chart
from llmbench.output.html.charts.plot import HEIGHT
from llmbench.output.html.charts.rates import learning_rates
from llmbench.output.html.page import render
from llmbench.record.record import Record
from llmbench.wording import figures

FULL = {6e-6: 1.9, 2e-5: 1.7, 6e-5: 1.8}
LORA = {6e-5: 2.0, 2e-4: 1.8, 6e-4: 1.75, 2e-3: None}


def tries(composition: str, losses: dict[float, float | None], **changes: object) -> list[Record]:
    return [records.tried(composition, r, loss, **changes) for r, loss in losses.items()]


def reported(composition: str, seed: int = 0) -> Record:
    arithmetic = composition.split("+gradient")[0]
    cell = records.cell(composition, seed, arithmetic=arithmetic, rate="tuned")
    return records.ok(composition, cell=cell)


def charted(made: list[Record], *others: Record) -> Chart:
    comparison = records.comparison([*(others or (reported("full"), reported("lora"))), *made])
    found = learning_rates(comparison.tried.records, stand(comparison.equal), None)
    assert found
    return found


def place(chart: Chart, mark: str) -> tuple[float, float]:
    """Where a mark is drawn; y grows downwards."""
    found = re.search(rf"<\w+ [^>]*><title>{re.escape(mark)}<", str(chart.drawing))
    assert found
    shift = re.search(r'(?:translate\(|cx=")([\d.]+)(?:,|" cy=")([\d.]+)', found[0])
    assert shift
    return float(shift[1]), float(shift[2])


def test_each_try_is_a_mark_and_the_chosen_one_is_filled() -> None:
    one = charted(tries("full", FULL))
    assert marks(one) == [
        "full at 6e-6: 1.900",
        "full at 6e-5: 1.800",
        "full at 2e-5: 1.700, chosen",
    ]
    drawn = re.findall(r'class="(f-\w+) s-\w+"[^>]*><title>([^<]*)', str(one.drawing))
    assert {label: fill for fill, label in drawn} == {
        "full at 6e-6: 1.900": "f-page",
        "full at 6e-5: 1.800": "f-page",
        "full at 2e-5: 1.700, chosen": "f-series1",
    }


def test_rates_are_apart_by_their_ratios() -> None:
    one = charted(tries("full", {1e-5: 2.0, 1e-4: 1.7, 1e-3: 1.8}))
    names = ("full at 1e-5: 2.000", "full at 1e-4: 1.700, chosen", "full at 1e-3: 1.800")
    low, middle, high = (place(one, name)[0] for name in names)
    assert middle - low == pytest.approx(high - middle, abs=0.2)
    for tick in ("1e-5", "1e-4", "1e-3"):
        assert f">{tick}</text>" in str(one.drawing)


def test_a_rate_that_diverged_stands_above_the_axis_and_says_so() -> None:
    one = charted([*tries("full", FULL), *tries("lora", LORA)])
    cross = place(one, "lora at 2e-3: diverged")
    assert cross[1] < min(place(one, m)[1] for m in marks(one) if "diverged" not in m)
    assert cross[0] > place(one, "lora at 6e-4: 1.750, chosen")[0]
    assert ">lora: diverged</text>" in str(one.drawing)
    assert "A cross has no loss" in one.caption
    assert "A triangle" not in one.caption


def test_a_loss_far_above_the_others_does_not_squeeze_them() -> None:
    made = [*tries("full", FULL), *tries("lora", LORA | {2e-3: 522.0})]
    one = charted(made)
    assert ">lora: 522.000</text>" in str(one.drawing)
    assert "A triangle has a loss far above the others" in one.caption
    best, worst = (place(one, f"full at {n}")[1] for n in ("2e-5: 1.700, chosen", "6e-6: 1.900"))
    assert best - worst > HEIGHT / 3


def test_every_chosen_rate_has_its_place_on_the_axis_however_bad_it_is() -> None:
    made = [*tries("full", FULL), *tries("lora", {2e-5: 9.2, 2e-4: 9.0, 2e-3: 9.1})]
    one = charted(made)
    assert "lora at 2e-4: 9.000, chosen" in marks(one)
    assert "triangle" not in one.caption


def test_the_table_says_in_words_what_was_tried_and_chosen() -> None:
    one = charted([*tries("full", FULL), *tries("lora", LORA)])
    assert one.table.header == (
        "Method",
        "Tried, and the validation loss",
        "Chosen",
        "Bracketed",
        "Tries",
        "Seed",
    )
    assert one.table.texts[0] == (
        "full",
        "6e-6: 1.900, 2e-5: 1.700, 6e-5: 1.800",
        "2e-5",
        "yes",
        "3",
        "1000",
    )
    assert one.table.texts[1][1].endswith("6e-4: 1.750, 2e-3: diverged")
    assert one.table.texts[1][3] == "yes"


def test_a_best_rate_on_the_edge_is_said_not_to_be_bracketed() -> None:
    falling, rising = ({2e-5: 1.9, 2e-4: 1.8}, {2e-5: 1.8, 2e-4: 1.9})
    one = charted([*tries("full", falling), *tries("lora", rising)])
    assert [row[3] for row in one.table.texts] == ["no", "no"]
    doubt = "Not bracketed, as the {} rate was the best and a better may lie beyond: `{}`."
    for side, name in (("highest", "full"), ("lowest", "lora")):
        assert doubt.format(side, name) in one.caption
    assert "bracketed" not in charted(tries("full", FULL)).caption


def test_the_caption_counts_the_tries_and_calls_them_equal_only_where_they_are() -> None:
    equal = charted([*tries("full", FULL), *tries("qlora", FULL)]).caption
    assert "Every method got the same number of tries: 3." in equal
    unequal = charted([*tries("full", FULL), *tries("lora", LORA)]).caption
    assert "The number of tries differs: 3 for `full`; 4 for `lora`." in unequal
    assert "same number" not in unequal


def test_the_caption_says_which_examples_and_which_seed() -> None:
    caption = charted(tries("full", FULL)).caption
    assert "64 held-out examples, which are neither trained on nor evaluated" in caption
    assert "with seed 1000, which no reported run has" in caption
    shared = charted(tries("full", FULL, seed=3), reported("full", 3)).caption
    assert "with seed 3, which reported runs have as well" in shared


def test_it_says_what_shares_a_rate_where_something_does() -> None:
    sentence = "What changes memory or kernels alone"
    assert sentence not in charted(tries("full", FULL)).caption
    assert sentence in charted(tries("full", FULL), reported("full+gradient-checkpointing")).caption


def test_a_method_that_ran_out_of_memory_is_in_the_table_and_has_no_line() -> None:
    made = [*tries("full", {2e-5: None}, status="oom"), *tries("lora", LORA)]
    one = charted(made)
    assert one.table.texts[0] == ("full", "2e-5: out of memory", "none", "no", "1", "1000")
    assert ">full: out of memory</text>" in str(one.drawing)
    assert ">full</text>" not in str(one.drawing)
    assert "No rate came to a loss: `full`." in one.caption


def test_where_nothing_came_to_a_loss_the_table_stands_alone() -> None:
    one = charted(tries("full", {2e-5: None, 6e-6: None}))
    assert not one.drawing
    assert one.table.texts[0][1] == "6e-6: diverged, 2e-5: diverged"
    assert "Filled" not in one.caption


def test_methods_of_two_models_are_told_apart() -> None:
    other = records.cell("full").model.model_copy(update={"id": "gemma-3-270m"})
    made = [*tries("full", FULL), *tries("full", FULL, model=other)]
    assert [row[0] for row in charted(made).table.texts] == [
        "full · llama-2-7b",
        "full · gemma-3-270m",
    ]


def test_a_method_has_the_colour_that_its_row_has_in_the_other_charts() -> None:
    rows = [reported(name) for name in ("full", "lora", "qlora")]
    one = charted([*tries("qlora", LORA), *tries("dora", LORA)], *rows)
    for colour, name in (("series3", "qlora"), ("series1", "dora")):
        assert f'class="f-{colour}">{name}</text>' in str(one.drawing)


def test_without_tuning_there_is_no_section() -> None:
    html = render(records.comparison([reported("full")]))
    assert 'id="rates"' not in html


def test_the_page_shows_the_chart_and_its_table_and_no_tuning_cell_among_the_rest() -> None:
    made = [reported("full"), reported("lora"), *tries("full", FULL), *tries("lora", LORA)]
    html = render(records.comparison(made))
    section = re.findall(r'<section aria-labelledby="rates">.*?</section>', html, re.DOTALL)[0]
    assert "<svg" in section
    assert 'aria-label="Table: Learning rates"' in section
    assert '<span class="option">2e-3: diverged</span>' in section
    assert html.count("<tr data-cell=") == 2


@pytest.mark.parametrize(
    ("rate", "said"), [(2e-5, "2e-5"), (6.3245e-05, "6.3e-5"), (0.01, "1e-2"), (1.0, "1e0")]
)
def test_a_rate_reads_as_it_is_typed(rate: float, said: str) -> None:
    assert figures.learning_rate(rate) == said
    assert float(said) == pytest.approx(rate, rel=0.01)
