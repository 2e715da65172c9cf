"""What the figures cover, and for whom the answer is."""

from __future__ import annotations

import records

from llmbench.analysis import facts
from llmbench.analysis.judging import stand
from llmbench.analysis.statistics.interval import Interval
from llmbench.output.html.charts.scatter import quality_axis, scatters
from llmbench.record.record import Record
from llmbench.wording.figures import bounds
from llmbench.wording.notes import notes


def said(made: list[Record], **header: object) -> list[str]:
    comparison = records.comparison(made, **header)
    return [n.text for n in notes(comparison, stand(comparison))]


def of(composition: str, quality_: float, memory: float, spread: float = 0.15, seed: int = 0):
    made = records.cell(composition, seed)
    return records.ok(composition, quality_, memory, spread=spread, cell=made)


def test_it_warns_of_how_much_worse_the_pick_may_be() -> None:
    texts = said([of("full", 0.6, 62.0, 0.9), of("lora", 0.55, 35.0, 0.9)])
    (warned,) = [t for t in texts if "may still be worse" in t]
    assert warned.startswith("With 1 seed and 24 examples, the pick may still be worse than the")
    assert "best by up to 0." in warned
    assert warned.endswith("More seeds (--seeds) narrow that.")


def test_with_seeds_more_of_them_narrow_it_and_nonsense_is_not_given_as_a_figure() -> None:
    figures = {"full": (0.2, 0.9), "lora": (0.8, 0.05)}
    made = [of(c, q, 30.0, seed=s) for c, qs in figures.items() for s, q in enumerate(qs)]
    (warned,) = [t for t in said(made) if "may still be worse" in t]
    assert warned.startswith("With 2 seeds and 24 examples, the pick")
    assert "worse than the best by far" in warned
    assert "More seeds (--seeds) narrow that." in warned


def test_where_nothing_is_picked_nothing_is_said_of_the_pick() -> None:
    made = [of("base", 0.5, 14.0, 0.9), of("full", 0.51, 62.0, 0.9), of("lora", 0.5, 35.0, 0.9)]
    assert not [t for t in said(made) if "the pick" in t]


def other(composition: str) -> Record:
    cell = records.cell(composition, id=f"{composition} short", settings={"seq_len": 512})
    return records.ok(composition, 0.5, 20.0, cell=cell)


def test_of_cells_that_do_not_compare_it_says_whom_the_answer_is_for_and_says_it_once() -> None:
    made = [records.ok(c, 0.5, m) for c, m in (("full", 62), ("lora", 35), ("qlora", 5))]
    texts = said([*made, other("full"), other("lora")], notices=(facts.OTHERWISE, "Merged."))
    (warned,) = [t for t in texts if t.startswith("The answer is for")]
    assert warned.startswith("The answer is for the 3 methods with --seq-len 1024. Those that")
    assert facts.OTHERWISE not in texts
    assert "Merged." in texts
    assert facts.OTHERWISE in said(made, notices=(facts.OTHERWISE,))


def test_other_versions_are_told_from_other_machines() -> None:
    versions = {"torch": "2.11.0"}
    for changes, what in (
        ({"versions": versions}, "with different versions of libraries:"),
        ({"device_name": "T4"}, "on different machines, NVIDIA H200 and T4:"),
    ):
        made = [records.ok("full"), records.ok("lora", environment=records.environment(**changes))]
        assert [t for t in said(made) if f"The methods ran {what} their speed and memory" in t]


def test_an_interval_ends_where_the_figure_can_go_no_further() -> None:
    standing = stand(records.comparison([of("full", 0.5, 62.0), of("lora", 0.5, 35.0)]))
    assert standing.score
    wide = Interval(0.5, -0.2, 1.3)
    assert bounds(standing.score, wide) == "[0.000, 1.000]"
    standing.quality[standing.variants[0].id] = wide
    assert quality_axis(standing, standing.score).bounds(standing.variants[0]) == (0.0, 1.0)
    assert list(scatters(standing, None))


def test_it_is_said_where_examples_are_too_few_for_an_interval() -> None:
    many = [of("full", 0.6, 62.0), of("lora", 0.55, 35.0)]
    few = [r.model_copy(update={"examples": r.examples[:12]}) for r in many]
    zero = {"scores": {"rougeL": 0.0}}
    bare = [
        r.model_copy(
            update={
                "examples": (
                    *r.examples[13:],
                    *(e.model_copy(update=zero) for e in r.examples[:13]),
                )
            }
        )
        for r in many
    ]
    assert not any("narrower than they say" in t for t in said(many))
    assert any(t.startswith("With 12 evaluated examples, intervals") for t in said(few))
    assert any("most of which score zero" in t and "from 50 on" in t for t in said(bare))


def test_it_is_said_where_steps_are_too_few_for_the_interval_of_a_speed() -> None:
    def speeds(steps: int) -> str:
        made = records.cell("full", settings={"steps": steps})
        found = [t for t in said([records.ok("full", cell=made)]) if "train but are left out" in t]
        return found[0]

    assert "over fewer than 48 steps it is too narrow" in speeds(50)
    assert "too narrow" not in speeds(52)
