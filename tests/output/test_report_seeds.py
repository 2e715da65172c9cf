"""What the report says of several seeds: a row per composition, its figures over all of them."""

from __future__ import annotations

import re

import pytest
import records

from llmbench.analysis.judging import stand
from llmbench.analysis.standing import Standing
from llmbench.analysis.statistics.differences import Need
from llmbench.output.html.charts.curves import curve, loss_curves
from llmbench.output.html.page import render
from llmbench.output.methods import Row, table
from llmbench.record.record import DataRef, Record
from llmbench.wording.answer import answer
from llmbench.wording.notes import notes
from llmbench.wording.phrases import takes

SEEDS = (0, 1, 2)
Figures = tuple[float, float, float]
FULL, LORA, QLORA = (0.63, 62.3, 10610.0), (0.62, 35.3, 12993.0), (0.52, 5.1, 9290.0)


def seeded(composition: str, figures: Figures, luck: float = 0.005) -> list[Record]:
    quality, memory, rate = figures
    return [
        records.ok(
            composition,
            quality + luck * (s - 1),
            memory + s / 10,
            rate * (1 + s / 500),
            cell=records.cell(composition, s),
        )
        for s in SEEDS
    ]


def three() -> list[Record]:
    cells = [seeded("base", (0.2, 14.0, 1.0)), seeded("full", FULL), seeded("lora", LORA)]
    return [r for held in [*cells, seeded("qlora", QLORA)] for r in held]


def standing_of(made: list[Record]) -> Standing:
    return stand(records.comparison(made))


def row(made: list[Record], name: str) -> Row:
    return next(r for r in table(standing_of(made), None, frozenset()).rows if r.name == name)


def text_of(made: list[Record]) -> str:
    return " ".join(re.sub(r"<[^>]*>", "", render(records.comparison(made))).split())


def test_a_composition_is_one_row_with_the_mean_and_its_interval() -> None:
    held = standing_of(three())
    found = table(held, None, frozenset())
    assert [r.name for r in found.rows] == ["base", "full", "lora", "qlora"]
    assert [r.number for r in found.rows] == [1, 2, 3, 4]
    column = [c.id for c in found.columns].index("peak_memory_bytes")
    memory = found.rows[1].values[column]
    assert memory.text == "62.4 GiB"
    assert re.fullmatch(r"\[62\.\d, 62\.\d\]", memory.detail)


def test_the_status_says_how_many_seeds_there_were() -> None:
    assert row(three(), "full").status == "ok, 3 seeds"
    assert row(three(), "full").good


def test_a_composition_that_failed_with_a_seed_tells_so_and_cannot_win() -> None:
    made = three()
    broken = records.ended("full", "diverged", "The loss is NaN.", cell=records.cell("full", 1))
    made = [broken if r.cell.id == broken.cell.id else r for r in made]
    found = row(made, "full")
    assert (found.status, found.good) == ("2 of 3 ok", False)
    assert found.cause == "Seed 1, diverged in train: The loss is NaN."
    assert "full" not in answer(standing_of(made)).headline
    assert any("`full` (2 of 3 ok)" in n.text for n in notes_of(made) if n.kind == "warning")


def test_one_that_a_person_interrupted_stays_in_the_running() -> None:
    made = three()
    stopped = records.ended("full", "interrupted", "Ctrl-C.", cell=records.cell("full", 2))
    made = [stopped if r.cell.id == stopped.cell.id else r for r in made]
    assert "full" in [a.cell.composition for a in standing_of(made).competing]
    assert any("2 to 3 seeds" in n.text for n in notes_of(made))


def test_a_wrong_first_loss_of_one_seed_puts_the_composition_out() -> None:
    made = three()
    at = next(n for n, r in enumerate(made) if r.cell.id == "full.llama.s2")
    made[at] = made[at].model_copy(update={"first_loss": 522.0})
    assert row(made, "full").status == "wrong first loss"
    assert answer(standing_of(made)).headline == "Pick `lora`"


def notes_of(made: list[Record]):
    comparison = records.comparison(made)
    return notes(comparison, stand(comparison))


def test_notes_and_rule_say_what_the_seeds_cover() -> None:
    texts = [n.text for n in notes_of(three())]
    assert any(
        t.startswith("3 seeds: figures are means") and "luck of training" in t for t in texts
    )
    assert any("spread between the runs of the seeds" in t for t in texts)
    assert not any(t.startswith("One seed") for t in texts)
    rule = answer(standing_of(three())).rule
    assert "ended well with every seed" in rule
    assert "3 of 4 methods do" in rule


def test_luck_that_is_larger_than_the_difference_leaves_it_undecided() -> None:
    clear, lucky = (
        standing_of([*seeded("full", FULL, 0.0), *seeded("qlora", (0.59, 5.1, 9290.0), luck)])
        for luck in (0.0, 0.06)
    )
    assert [len(held.level()) for held in (clear, lucky)] == [1, 2]
    found = answer(lucky)
    assert found.headline == "Pick `full`"  # the faster one
    limit = (
        "with no significant difference in ROUGE-L from `{}` (a difference of 0.2 would probably "
        "have shown)"
    )
    assert found.limit == limit.format("qlora")
    assert any(
        "If memory is tight: `qlora` needs 5.2 GiB instead of 62.4" in s for s in found.sentences
    )
    slower = [
        *seeded("full", (0.63, 62.3, 8000.0), 0.0),
        *seeded("qlora", (0.59, 5.1, 9290.0), 0.06),
    ]
    other = answer(standing_of(slower))
    assert (other.headline, other.limit) == (
        "Pick `qlora`",
        limit.format("full"),
    )
    assert re.match(r"Its ROUGE-L of 0\.59\d does not differ", other.sentences[0])
    assert any("a difference of 0.2 shows" in s for s in found.sentences)


def test_a_warning_of_every_seed_is_said_once() -> None:
    made = [r.model_copy(update={"warnings": ("3 were cut.",)}) for r in seeded("lora", LORA)]
    texts = [n.text for n in notes_of([*made, *seeded("full", FULL)])]
    assert texts.count("`lora`: 3 were cut.") == 1


def test_the_curve_is_the_mean_on_a_band_from_least_to_largest() -> None:
    held = standing_of(three())
    variant = held.variants[1]
    losses = [r.steps[4].loss or 0.0 for r in variant.records]
    point = curve(variant)[4]
    assert (point.x, point.low, point.high) == (5, min(losses), max(losses))
    assert point.y == pytest.approx(sum(losses) / 3)
    chart = loss_curves(held, None)
    assert chart
    assert "bands reach from least to largest" in chart.caption
    assert str(chart.drawing).count('fill-opacity=".15"') == 3
    one = loss_curves(standing_of([r for r in three() if not r.cell.seed]), None)
    assert "fill-opacity" not in str(one and one.drawing)


def test_random_tokens_have_no_curve_of_losses() -> None:
    data = DataRef(name="random tokens", examples=80, sha256="")
    made = [
        r.model_copy(update={"cell": r.cell.model_copy(update={"train_data": data})})
        for r in three()
    ]
    assert loss_curves(standing_of(made), None) is None


def test_every_cell_has_its_details_and_its_row_leads_to_them() -> None:
    html = render(records.comparison(three()))
    assert html.count('class="cell"><summary>') == 12
    rows = re.findall(r"<tr data-cell.*?</tr>", html, re.DOTALL)
    assert len(rows) == 4
    assert [re.findall(r'href="#(cell-\d+)">(seed \d)', r) for r in rows][1] == [
        ("cell-4", "seed 0"),
        ("cell-5", "seed 1"),
        ("cell-6", "seed 2"),
    ]
    assert "full · seed 1" in text_of(three())
    assert "as predicted with the first seed" in text_of(three())


def deterministic(composition: str, quality: float, memory: float) -> Record:
    made = records.cell(composition, settings={"deterministic": True})
    return records.ok(composition, quality, memory, cell=made)


def test_deterministic_cells_compete_without_a_speed_and_it_is_said() -> None:
    made = [deterministic("full", 0.6, 62.0), deterministic("lora", 0.6, 30.0)]
    held = standing_of(made)
    assert len(held.competing) == 2
    assert answer(held).headline == "Try `lora` first"
    assert "tok/s" not in " ".join(answer(held).sentences)
    assert any("slower on purpose" in n.text for n in notes_of(made))
    page = text_of(made)
    assert not re.search(r"\d tok/s", page)
    assert "training speed" not in page.partition("With your constraints")[2][:300]


def test_deterministic_cells_without_quality_are_told_by_memory() -> None:
    made = [
        deterministic(c, 0.5, m).model_copy(update={"examples": ()})
        for c, m in (("full", 62.0), ("lora", 30.0))
    ]
    assert answer(standing_of(made)).headline == "Pick `lora` for memory"
    assert "training speed" not in text_of(made).partition("With your constraints")[2][:300]


@pytest.mark.parametrize(
    ("need", "says"),
    [
        (
            Need(3, 100, 0.034, 0.01, 12),
            "With 3 trainings (seeds) of each method and 100 examples, a difference of 0.03 shows "
            "four times in five; a difference of 0.01 takes 12 seeds (--seeds 12).",
        ),
        (Need(3, 100, 0.034, 0.005, None), "More seeds alone cannot resolve 0.005; add examples"),
        (Need(3, 100, 0.034, 0.04, 3), "; more seeds (--seeds) would decide this one."),
    ],
)
def test_what_it_would_take_is_said_in_words(need: Need, says: str) -> None:
    assert says in takes(need)
