"""What the page says of the cells that fill a memory budget, and that nothing else does."""

from __future__ import annotations

import json
import re

import pytest
import records
from markup import Page
from records import FIRST_LOSS, ended, fitted, ok

from llmbench.analysis.judging import stand
from llmbench.output.html.fit import Fitting, fits
from llmbench.output.html.page import render
from llmbench.record.comparison import Plan, Planned
from llmbench.record.record import Fit, Record

EQUAL = (ok("base", 0.2), ok("full", 0.6, 60, 10_000), ok("lora", 0.6, 35, 12_000))


def shown(*found: Record, **header) -> tuple[Fitting, ...]:
    whole = records.comparison([*EQUAL, *found], **header)
    return fits(whole, stand(whole.equal))


def texts(fitting: Fitting, row: int = 0) -> list[str]:
    return [f"{v.text} {v.detail}".strip() for v in fitting.table.rows[row].values[1:]]


def test_cells_that_fill_a_budget_are_in_no_other_part_of_the_page() -> None:
    plain = render(records.comparison(EQUAL))
    both = render(records.comparison([*EQUAL, fitted("full", 1), fitted("lora", 24)]))
    section = re.compile('<section aria-labelledby="fit-.*?</section>\n', re.DOTALL)
    downloads = re.compile('<script type="application/json".*?</script>', re.DOTALL)
    assert section.search(both)
    assert downloads.sub("", section.sub("", both)) == downloads.sub("", plain)


def test_a_row_has_the_size_its_speed_and_what_equal_batches_have() -> None:
    (found,) = shown(fitted("lora", 24, 15.5, 13_000))
    assert found.table.title == "What fits into 16 GiB"
    assert found.table.header[2] == "Largest micro-batch"
    assert found.table.header[5] == "Speed at 4 sequences of up to 1,024 tokens"
    size, speed, memory, equal = texts(found)
    assert (size, memory) == ("24 sequences", "15.5 GiB")
    assert speed.endswith(" %")
    assert " tok/s +" in speed
    assert equal.endswith(" tok/s")
    assert found.tried[0][1] == "24: 15.5 GiB, 48: 32.0 GiB"


def test_a_size_that_nothing_stopped_is_a_least_one() -> None:
    fit = Fit(size=1024, tried=((512, 1), (1024, 2)))
    (found,) = shown(fitted("lora", fit=fit))
    assert texts(found)[0] == "1,024 sequences or more"
    longest = Fit(size=4096, tried=((2048, 1), (4096, 2)))
    (found,) = shown(fitted("lora", stretched="seq_len", fit=longest))
    assert texts(found)[0] == "4,096 tokens all that the model has positions for"


def test_memory_that_ran_out_in_a_trial_is_said() -> None:
    (found,) = shown(fitted("lora", fit=Fit(size=4, tried=((4, 2**30), (8, -1)))))
    assert found.tried[0][1] == "4: 1.0 GiB, 8: out of memory"


def test_where_nothing_fits_the_row_says_why() -> None:
    reason = "Nothing fits into 16 GiB: a micro-batch of 1 sequence of 1,024 tokens needs 18 GiB."
    (found,) = shown(ended("full", "skipped", reason, cell=fitted("full").cell))
    row = found.table.rows[0]
    assert (row.status, row.cause, row.skipped) == ("skipped", reason, True)
    assert [v.text for v in row.values[1:4]] == ["", "", ""]
    assert row.values[4].text.endswith(" tok/s")


def test_a_longer_sequence_is_told_apart_and_what_that_does_to_speed() -> None:
    (found,) = shown(fitted("lora", 8192, stretched="seq_len"))
    assert found.table.title == "How long a sequence fits into 16 GiB"
    assert found.table.header[2] == "Longest sequence"
    assert texts(found)[0] == "8,192 tokens"
    assert "random tokens" in found.lead
    assert any("the more attention costs" in note for note in found.notes)


@pytest.mark.parametrize(
    ("device", "words"), [("cuda", "The CUDA context"), ("cpu", "nine tenths of it")]
)
def test_what_the_budget_is_of_is_said(device: str, words: str) -> None:
    equal = [ok("lora", 0.6, 35, 12_000, device)]
    whole = records.comparison([*equal, fitted("lora", device=device)])
    (found,) = fits(whole, stand(whole.equal))
    assert any(words in note for note in found.notes)


def test_each_budget_has_a_table_of_its_own() -> None:
    found = shown(fitted("lora", budget_gib=16), fitted("lora", budget_gib=24), fitted("full"))
    assert [(f.table.title, len(f.table.rows)) for f in found] == [
        ("What fits into 16 GiB", 2),
        ("What fits into 24 GiB", 1),
    ]
    assert len({f.anchor for f in found}) == 2


def test_a_composition_that_computes_something_else_does_so_here_too() -> None:
    whole = records.comparison(
        [ok("base", 0.2), ok("lora", first_loss=FIRST_LOSS * 9), fitted("lora")]
    )
    (found,) = fits(whole, stand(whole.equal))
    assert found.table.rows[0].status == "wrong first loss"
    assert not found.table.rows[0].good


def test_a_warning_is_shown_with_its_cell() -> None:
    (found,) = shown(fitted("lora", warnings=("Its timed steps needed 16.1 GiB.",)))
    assert found.table.rows[0].cause == "Its timed steps needed 16.1 GiB."


def test_a_cell_without_a_record_is_named() -> None:
    held, lost = fitted("lora"), fitted("full")
    cells = (*EQUAL, held, lost)
    plan = Plan(cells=tuple(Planned(cell=r.cell) for r in cells))
    (found,) = shown(held, plan=plan)
    assert "`full` has no record." in found.notes


def test_the_page_shows_it_and_downloads_have_it_but_the_main_table_has_not() -> None:
    page = Page(render(records.comparison([*EQUAL, fitted("lora", 24)])))
    assert page.cells() == len(EQUAL)
    assert "24 sequences" in page.text
    assert "Every size that was tried" in page.text
    data = json.loads(page.blocks["script"][0])
    assert len(data["rows"]) == len(EQUAL) + 1


def test_names_and_reasons_are_text_whatever_they_hold() -> None:
    text = "</td><img src=a onerror=b>"
    cell = fitted("lora").cell.model_copy(update={"composition": text})
    html = render(records.comparison([*EQUAL, ended("x", "failed", text, cell=cell)]))
    assert "<img" not in html.split("<script", 1)[0]
    shown = Page(html).text.replace(" ", "")  # a line may be broken within a name
    assert shown.count(text.replace(" ", "")) == 2
