"""What the page says of each part of a composition."""

from __future__ import annotations

import re

import records
from markup import Page
from records import cell, ok

from llmbench.analysis.judging import stand
from llmbench.output.html.effects import Parts, parts
from llmbench.output.html.page import render
from llmbench.record.record import Member, Record
from llmbench.units import MINUS

CHECKPOINTED, FLASH = "gradient-checkpointing", "flash-attention"


def shown(*found: Record) -> Parts:
    made = parts(stand(records.comparison(found)))
    assert made
    return made


def square(last: float, device: str = "cuda") -> tuple[Record, ...]:
    return (
        ok("full", 0.5, 60, 10_000, device),
        ok(f"full+{CHECKPOINTED}", 0.5, 40, 8_000, device),
        ok(f"full+{FLASH}", 0.5, 50, 11_000, device),
        ok(f"full+{CHECKPOINTED}+{FLASH}", 0.5, last, 9_900, device),
    )


def test_a_page_of_compositions_that_share_nothing_has_no_section() -> None:
    lonely = records.comparison([ok("base", 0.2), ok("full"), ok("lora+4-bit")])
    assert parts(stand(lonely)) is None
    assert "What each part does" not in render(lonely)


def test_a_row_names_part_and_place_and_has_every_change() -> None:
    made = shown(*square(38))
    assert made.table.header[2:] == ("Peak memory", "Training speed", "ROUGE-L")
    assert made.table.texts[0][:2] == (CHECKPOINTED, "on full")
    memory, speed, quality = made.table.rows[0].values[1:]
    assert (memory.text, memory.detail) == (f"{MINUS}20.0 GiB", f"{MINUS}33.3 %")
    assert -23 < float(speed.text.replace(MINUS, "-").removesuffix(" %")) < -17
    assert speed.detail.startswith(f"[{MINUS}")
    assert quality.detail.endswith("], undecided")


def test_an_exchange_says_what_it_is_instead_of_and_what_stands_beside_it() -> None:
    made = shown(ok("full"), ok("lora"), ok(f"full+{CHECKPOINTED}"), ok(f"lora+{CHECKPOINTED}"))
    found = [row[:2] for row in made.table.texts if "instead" in row[0]]
    assert found == [
        ("lora instead of full", "by itself"),
        ("lora instead of full", f"with {CHECKPOINTED}"),
    ]


def test_host_memory_is_called_that_and_its_scatter_is_said() -> None:
    made = shown(*square(38, "cpu"))
    assert made.table.header[2] == "RAM used (no GPU here)"
    assert any("scatters from run to run" in note for note in made.notes)
    assert not any("scatters" in note for note in shown(*square(38)).notes)


def test_a_strategy_that_joins_several_things_is_said_to() -> None:
    member = Member(
        id="qlora", options={}, distribution="", group="adaptation", bundle=("LoRA", "NF4 weights")
    )
    found = shown(ok("full"), ok("qlora", cell=cell("qlora", members=(member,))))
    assert "`qlora` counts as one part, and joins LoRA and NF4 weights." in found.notes


def test_what_was_not_measured_has_no_column() -> None:
    made = shown(ok("full", None), ok("lora", None))
    assert made.table.header[2:] == ("Peak memory", "Training speed")
    settings = {"settings": {"deterministic": True}}
    timeless = shown(*(ok(n, cell=cell(n, **settings)) for n in ("full", "lora")))
    assert timeless.table.header[2:] == ("Peak memory", "ROUGE-L")


def test_the_chart_has_a_bar_for_each_change_and_names_its_cell() -> None:
    drawing = shown(*square(38)).chart.drawing
    assert drawing
    page = Page(drawing)
    says = re.findall(r"data-cell[^>]*><title>([^<]*)", drawing)
    assert len(says) == 8
    assert f"{CHECKPOINTED}, full, peak memory: {MINUS}33.3 %" in says
    cells = {a["data-cell"] for _, a in page.elements if "data-cell" in a}
    assert cells == {"2", "3", "4"}


def test_only_the_first_of_a_great_many_are_drawn_and_that_is_said() -> None:
    made = shown(*(ok(f"lora(r={n})") for n in range(1, 14)))
    assert len(made.table.rows) == 60
    assert "36 more are in the table only." in made.chart.caption
    assert any("Only the first 60 are shown." in note for note in made.notes)


def test_names_are_text_whatever_they_hold() -> None:
    name = "x<img src=a onerror=b>"
    html = render(records.comparison([ok("full"), ok(f"full+{name}")]))
    assert "<img" not in html.split("<script", 1)[0]
    assert name in Page(html).text
