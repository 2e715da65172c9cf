"""The report: the page as a whole. What it says is tested in test_report_answer.py."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import time

import pytest
import records
from markup import Page

from llmbench.output.csv_json import rows
from llmbench.output.html.charts.plot import Plot
from llmbench.output.html.page import prose, render
from llmbench.record.comparison import Comparison
from llmbench.record.record import Attempt, Parameters, Record

DASH = "\N{EN DASH}"


@pytest.fixture(scope="module")
def seven() -> str:
    return render(records.seven())


def mixed() -> Comparison:
    """Cells that ended in every way there is."""
    trace = 'Traceback (most recent call last):\n  File "x.py", line 3\nValueError: no such layer'
    return records.comparison(
        [
            records.ok("base", 0.18, 14.0),
            records.ok("full", 0.63, 62.3, 10610),
            records.ended("lora", "oom", "CUDA out of memory. Tried to allocate 2.00 GiB."),
            records.ended("qlora", "failed", "ValueError: no such layer", traceback=trace),
            records.ended("lora+8-bit", "diverged", "The loss of step 7 is not a number."),
            records.ended("lora+x", "skipped", "Flash kernels need half precision."),
            records.ended("lora+y", "killed", "The worker was killed (SIGKILL)."),
            records.ok("lora+4-bit", 0.61, 5.2, 8000, warnings=("3 of 80 examples were cut.",)),
        ]
    )


def test_the_same_records_give_the_same_bytes(seven: str) -> None:
    assert render(records.seven()) == seven


def test_eight_methods_with_three_seeds_take_less_than_300_kib() -> None:
    made = [
        records.understood(
            r.model_copy(update={"cell": r.cell.model_copy(update={"seed": s, "id": f"{n}.{s}"})})
        )
        for n, r in enumerate(records.seven().records)
        for s in range(3)
    ]
    assert len(made) == 24
    assert len(render(records.comparison(made)).encode()) < 300 * 1024


def test_every_chart_is_drawn_with_a_title_a_description_and_a_table(seven: str) -> None:
    page = Page(seven)
    ids = {attributes["id"] for _, attributes in page.elements if attributes.get("id")}
    drawings = [a for a in page.all("svg") if a.get("id") != "any"]  # which the script draws
    assert len(drawings) == len(page.all("figure")) - 1 == 6
    for drawing in drawings:
        assert set((drawing["aria-labelledby"] or "").split()) <= ids
    assert len(page.all("table")) > len(drawings)


def test_ids_are_unique(seven: str) -> None:
    ids = [a["id"] for _, a in Page(seven).elements if a.get("id")]
    assert sorted(set(ids)) == sorted(i for i in ids if i)


def test_marks_of_a_chart_say_their_figures(seven: str) -> None:
    labels = re.findall(r"data-cell[^>]*><title>([^<]*)", seven)
    assert any(
        re.match(r"qlora: ROUGE-L 0\.\d{3} \[.*\], peak memory 5\.1 GiB, ", s) for s in labels
    )


def test_nothing_is_fetched_and_the_policy_allows_only_what_is_inlined(seven: str) -> None:
    page = Page(seven)
    policy = next(a["content"] or "" for a in page.all("meta") if "http-equiv" in a)
    style, script = page.blocks["style"][0], page.blocks["script"][-1]
    assert policy.startswith("default-src 'none'; ")
    for kind, content in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    links = [a[k] or "" for _, a in page.elements for k in ("href", "src", "action") if k in a]
    assert all(link == "data:," or link.startswith("#") for link in links)
    assert not [a for _, a in page.elements if "style" in a or any(k.startswith("on") for k in a)]
    assert set(re.findall(r"https?://[^\s\"'<]+", seven)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", seven)


def test_an_option_is_not_broken_behind_its_hyphens() -> None:
    whole = '<span class="option">--eval-examples</span>'
    assert str(prose("More (--eval-examples) of `a--b` <b>.")) == (
        f"More ({whole}) of <code>a--b</code> &lt;b&gt;."
    )


def test_links_within_the_page_lead_somewhere(seven: str) -> None:
    page = Page(seven)
    ids = {a.get("id") for _, a in page.elements}
    assert all((a["href"] or "")[1:] in ids for a in page.all("a"))


def test_a_cell_that_ended_badly_is_a_row_with_its_cause() -> None:
    comparison = mixed()
    page = Page(render(comparison))
    assert page.cells() == len(comparison.records)
    for text in (
        "oom in train",
        "Tried to allocate 2.00 GiB",
        "diverged in train",
        "skipped",
        "Flash kernels need half precision",
        "killed in train",
        'File "x.py", line 3',
    ):
        assert text in page.text


def test_what_was_not_measured_is_a_dash_and_never_nought() -> None:
    html = render(records.comparison([records.ended("lora", "oom", "No memory.")]))
    row = Page(re.findall(r"<tr data-cell.*?</tr>", html, re.DOTALL)[0])
    figures = [text for text in row.texts if text.strip()][3:]  # after name, cause and status
    assert set(figures) == {DASH}
    assert len(figures) == len(row.all("abbr"))


def test_random_weights_show_no_quality_and_say_so() -> None:
    def with_random(record: Record) -> Record:
        model = record.cell.model.model_copy(update={"weights": "random"})
        return record.model_copy(update={"cell": record.cell.model_copy(update={"model": model})})

    made = [with_random(records.ok(c, 0.5, m)) for c, m in (("full", 62.0), ("lora", 35.0))]
    page = Page(render(records.comparison(made)))
    assert "speed and memory only: the weights are random, so that quality would" in page.text
    assert "ROUGE-L" not in page.text


def test_a_chart_that_fails_costs_its_drawing_alone(
    monkeypatch: pytest.MonkeyPatch, seven: str
) -> None:
    monkeypatch.setattr(Plot, "curve", lambda *_, **__: 1 / 0)
    plain, whole = Page(render(records.seven())), Page(seven)
    assert 0 < len(plain.all("svg")) < len(whole.all("svg"))
    assert "could not be drawn (ZeroDivisionError)" in plain.text
    assert len(plain.all("table")) == len(whole.all("table"))


def test_predictions_are_marked_against_their_reference(seven: str) -> None:
    page = Page(seven)
    assert len(page.all("article")) == 6
    assert "This is dialogue eval-00" in page.text
    assert page.all("del")


def test_examples_on_which_trained_cells_disagree_come_first() -> None:
    made = [records.ok(name, 0.5, spread=0.0) for name in ("base", "full", "lora")]
    odd = made[2].examples[7].model_copy(update={"scores": {"rougeL": 0.1}})
    of_base = made[0].examples[3].model_copy(update={"scores": {"rougeL": 0.0}})
    for number, at, example in ((2, 7, odd), (0, 3, of_base)):
        changed = list(made[number].examples)
        changed[at] = example
        made[number] = made[number].model_copy(update={"examples": tuple(changed)})
    page = render(records.comparison(made))
    assert re.findall(r"<h3>(eval-\d+)", page)[0] == "eval-0007"


def test_the_page_carries_the_rows_for_download(seven: str) -> None:
    state = json.loads(Page(seven).blocks["script"][0])
    expected = rows(records.seven())
    assert [dict(zip(state["columns"], r, strict=True)) for r in state["rows"]] == expected


def test_cells_of_a_memory_budget_are_downloaded_too() -> None:
    comparison = records.comparison([records.ok("lora"), records.fitted("lora")])
    state = json.loads(Page(render(comparison)).blocks["script"][0])
    assert [r[state["columns"].index("fit_size")] for r in state["rows"]] == [None, 16]


def test_a_figure_that_is_not_a_number_does_not_reach_the_page() -> None:
    wrong = {"eval_loss": math.nan, "first_loss": math.inf}
    broken = records.ok("lora").model_copy(update=wrong)
    page = Page(render(records.comparison([broken, records.ok("full")])))
    json.loads(page.blocks["script"][0])
    assert not {"nan", "inf", "NaN"} & set(page.texts)


def test_a_thousand_cells_render_small_and_soon() -> None:
    render(records.seven())  # whatever is imported on first use
    many = [records.ok("base", 0.2, 14.0)]
    for number in range(1, 1000):
        name = f"lora(r={number})+gradient-checkpointing"
        quality, memory = 0.3 + number % 37 / 100, 4 + number % 61
        many.append(records.ok(name, quality, memory, 3000 + 11 * (number % 997)))
    comparison = records.comparison(many)
    started = time.process_time()
    html = render(comparison)
    assert time.process_time() - started < 6  # about 2 on a quiet machine of 2 cores
    assert len(html.encode()) < 3 * 2**20
    assert html.count("<tr data-cell=") == 1000
    assert "the page leaves predictions out" in html
    assert "more runs are in their records" in html


def test_the_details_tell_what_was_in_force_and_what_the_gpu_was_like() -> None:
    page = Page(render(records.comparison([records.understood(records.ok("lora"))])))
    for text in (
        "Type of the base weights bfloat16",
        "Attention implementation sdpa",
        "Attention kernels that ran flash",
        "1,560 to 1,980 MHz, median 1,665",
        "software power cap",
    ):
        assert text in page.text


def test_the_details_tell_how_much_of_a_model_is_quantised_and_has_adapters() -> None:
    held = Parameters(trainable=10, total=1000, packed=90, adapted=110)
    mixture = records.ok("lora+4-bit", parameters=held)
    page = Page(render(records.comparison([mixture, records.ok("base", parameters=held)])))
    assert (
        "10 of 1K trained (1 %), 9 % of all quantised, 11 % with an adapter beside them"
        in page.text
    )
    assert "quantised" not in Page(render(records.comparison([records.ok("lora")]))).text


def test_the_details_tell_of_earlier_attempts() -> None:
    before = (
        Attempt(attempt=1, status="oom", phase="train"),
        Attempt(attempt=2, status="killed"),
    )
    html = render(records.comparison([records.ok("lora", attempt=3, earlier=before)]))
    assert "3; attempt 1 ended oom in train, attempt 2 ended killed" in html
