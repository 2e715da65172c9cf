"""What changed between two comparisons, what counts as worse, and what CI hears of it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import (
    HELD_OUT,
    cell,
    comparison,
    ended,
    environment,
    fitted,
    ok,
    seven,
    tried,
    validated,
)

from llmbench.analysis.diff.change import SIGNIFICANT, Change
from llmbench.analysis.diff.compare import Diff, diff
from llmbench.analysis.diff.rule import judge, known_figures, read
from llmbench.cli import main
from llmbench.command.diff import status, write
from llmbench.errors import ConfigError
from llmbench.record.comparison import Comparison
from llmbench.record.record import DataRef, Generation, GenerationBatch, ModelRef
from llmbench.storage.store import Store

MAIN = ("rougeL", "peak_memory_bytes", "train_tokens_per_second")
FORMS = ("text", "markdown", "json")
BOUNDS = ("peak_memory>+5%", "rougeL<-0.02", "speed<-3%")


def between(old: list, new: list) -> Diff:
    return diff(comparison(old), comparison(new))


def change(found: Diff, figure: str, number: int = 0) -> Change:
    return next(c for c in found.cells[number].changes if c.figure.id == figure)


def exit_of(found: Diff, *bounds: str) -> int:
    return status(found, judge([read(b, known_figures(found)) for b in bounds], found))


def lora(quality: float = 0.6, memory: float = 30.0, rate: float = 9000.0, **changes):
    return ok("lora", quality, memory, rate, **changes)


def scored(scores: list[float]):
    """A cell whose examples have these scores."""
    made = lora()
    examples = tuple(
        e.model_copy(update={"scores": {"rougeL": score}})
        for e, score in zip(made.examples, scores, strict=True)
    )
    return made.model_copy(update={"examples": examples})


STATUSES = st.sampled_from(["oom", "failed", "skipped", "diverged", "timeout"])
RECORDS = st.lists(
    st.builds(
        lambda name, quality, memory, device, ending: (
            ended(name, ending, "It ended.") if ending else ok(name, quality, memory, device=device)
        ),
        st.sampled_from(["base", "full", "lora", "qlora", "lora+4-bit"]),
        st.none() | st.floats(0, 1),
        st.floats(0, 80),
        st.sampled_from(["cpu", "cuda"]),
        st.none() | STATUSES,
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda r: r.cell.id,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS)
def test_a_comparison_differs_in_nothing_from_itself(records):
    found = between(records, records)
    words = {c.word for cell_diff in found.cells for c in cell_diff.changes}
    assert words <= {"same", "not distinguishable"}
    assert found.notices == found.missing == found.added == ()
    assert not any(c.broken or h.absolute for c in found.cells for h in c.changes)
    assert exit_of(found) == exit_of(found, *BOUNDS, "train_seconds>+0") == 0


def test_worse_quality_memory_and_speed_are_told_with_how_much():
    found = between([lora(0.6, 30.0, 9000)], [lora(0.4, 36.0, 7200)])
    for figure, percent in zip(MAIN, (-33, 20, -20), strict=True):
        assert change(found, figure).word == "worse"
        assert change(found, figure).percent == pytest.approx(percent, abs=1.5)
    assert change(found, "rougeL").verdict.difference.estimate == pytest.approx(-0.2, abs=0.01)


def test_better_is_told_too_and_breaks_no_bound():
    found = between([lora(0.4, 36.0, 7200)], [lora(0.6, 30.0, 9000)])
    assert {change(found, figure).word for figure in MAIN} == {"better"}
    assert exit_of(found, *BOUNDS) == 0


def test_a_change_within_the_scatter_of_the_steps_is_not_distinguishable():
    old = lora()
    slower = [s.seconds * f for s, f in zip(old.steps, cycle((0.96, 1.06)), strict=False)]
    steps = (s.model_copy(update={"seconds": t}) for s, t in zip(old.steps, slower, strict=True))
    found = between([old], [old.model_copy(update={"steps": tuple(steps)})])
    assert change(found, "train_tokens_per_second").absolute < 0
    assert change(found, "train_tokens_per_second").word == "not distinguishable"
    assert exit_of(found, "speed<-0.1%") == 0


def test_what_drifts_between_two_runs_is_no_change_of_speed():
    """Each run is steady in itself, and one percent apart; so are its blocks of steps."""
    old = lora()
    drifting = [s.seconds * (1.0 + 0.01 * (n // 4 % 3)) for n, s in enumerate(old.steps)]
    steps = (s.model_copy(update={"seconds": t}) for s, t in zip(old.steps, drifting, strict=True))
    found = between([old], [old.model_copy(update={"steps": tuple(steps)})])
    assert change(found, "train_tokens_per_second").word == "not distinguishable"


def test_a_quality_that_is_lower_by_chance_breaks_no_bound():
    old = scored([1.0, 0.0] * 12)
    new = scored([0.0, 1.0] * 11 + [0.0, 0.0])
    found = between([old], [new])
    assert change(found, "rougeL").absolute < -0.02
    assert change(found, "rougeL").word == "not distinguishable"
    assert exit_of(found, "rougeL<-0.02") == 0


@pytest.mark.parametrize(("new", "word"), [(35.01, "same"), (35.02, "worse"), (34.98, "better")])
def test_gpu_memory_that_moves_by_less_than_can_be_shown_is_the_same(new, word):
    found = between([lora(memory=35.0)], [lora(memory=new)])
    assert change(found, "peak_memory_bytes").word == word


def test_gpu_memory_is_exact_and_host_memory_needs_the_bound_alone():
    gpu = between([lora(memory=30.0)], [lora(memory=30.1)])
    host = between([lora(memory=3.0, device="cpu")], [lora(memory=3.3, device="cpu")])
    assert change(gpu, "peak_memory_bytes").word == "worse"
    assert change(host, "peak_memory_bytes").word == "spread unknown"
    assert exit_of(gpu, "peak_memory>+5%") == 0
    assert exit_of(gpu, "peak_memory>+0.1%") == 1
    assert exit_of(host, "peak_memory>+5%") == 1
    assert exit_of(host, "peak_memory>+20%") == 0


def test_memory_of_a_gpu_and_of_a_host_do_not_compare():
    found = between([lora(memory=30.0)], [lora(memory=60.0, device="cpu")])
    assert change(found, "peak_memory_bytes").word == "not comparable"
    assert exit_of(found, "peak_memory>+5%") == 4


def test_generation_speed_has_an_interval_over_its_batches():
    def made(rate: float):
        batches = [
            GenerationBatch(seconds=1 + i % 3 / 100, new_tokens=int(rate)) for i in range(10)
        ]
        return [lora(generation=Generation(batches=tuple(batches)))]

    assert change(between(made(500), made(400)), "generate_tokens_per_second").word == "worse"
    near = change(between(made(500), made(499)), "generate_tokens_per_second")
    assert near.word == "not distinguishable"


def test_scores_on_other_data_are_not_paired_and_a_bound_on_them_is_blind():
    other = DataRef(name="eval.jsonl", examples=24, sha256="deadbeef" * 8)
    found = between([lora(0.6)], [lora(0.3, cell=cell("lora", eval_data=other))])
    assert change(found, "rougeL").word == "not comparable"
    assert any("Evaluation data differs" in n for n in found.notices)
    assert exit_of(found, "rougeL<-0.02") == 4
    assert exit_of(found, "rougeL<-0.02", "peak_memory>+5%") == 4
    assert exit_of(found) == 0


def test_scores_of_random_weights_mean_nothing():
    random = cell("lora", model=ModelRef(id="llama-2-7b", weights="random"))
    found = between([lora(0.6, cell=random)], [lora(0.1, cell=random)])
    assert all(c.figure.unit != "score" for c in found.cells[0].changes)
    assert exit_of(found, "rougeL<-0.02") == 0


def test_what_else_differs_is_said_with_the_cells_that_it_is_of():
    shorter = ok("full", cell=cell("full", settings={"seq_len": 512}))
    found = between([lora(), ok("full")], [lora(), shorter])
    assert "full: --seq-len differs: 1024 in old; 512 in new." in found.notices
    newer = environment(versions={"torch": "2.14.0"})
    all_of_them = between([lora()], [lora(environment=newer)])
    assert "Version of torch differs: 2.13.0 in old; 2.14.0 in new." in all_of_them.notices


def test_options_that_changed_behind_the_same_name_are_said():
    def with_rank(rank: int):
        made = cell("lora")
        member = made.members[0].model_copy(update={"options": {"r": rank}})
        return lora(cell=made.model_copy(update={"members": (member,)}))

    found = between([with_rank(8)], [with_rank(16)])
    assert "Option r of lora in lora differs: 8 in old; 16 in new." in found.notices


def test_cells_are_the_same_by_composition_model_task_and_seed():
    other_seed = lora(cell=cell("lora", seed=1))
    found = between([lora(), ok("full")], [lora(), other_seed, ok("qlora")])
    assert [c.name for c in found.cells] == ["lora · seed 0"]
    assert found.missing == ("full · seed 0",)
    assert found.added == ("lora · seed 1", "qlora · seed 0")
    for form in FORMS:
        assert "full · seed 0" in write(found, [], form)


def test_of_several_records_of_a_cell_the_last_to_start_counts():
    records = [
        lora(memory=m, cell=cell("lora", id=f"id-{m}"), started_at=f"2026-11-0{day}T00:00:00+00:00")
        for m, day in ((40.0, 2), (30.0, 1))
    ]
    found = between([lora(memory=40.0)], records)
    assert change(found, "peak_memory_bytes").word == "same"


def test_a_cell_that_was_well_and_is_not_fails_with_any_bound():
    found = between([lora()], [ended("lora", "oom", "No memory.")])
    assert "oom in train: No memory." in found.cells[0].broken
    assert exit_of(found) == 0
    assert exit_of(found, "speed<-50%") == 1


def test_a_cell_that_no_longer_starts_from_the_base_model_fails():
    base = ok("base", 0.2)
    found = between([base, lora()], [base, lora(first_loss=522.0)])
    assert "first loss is 522" in found.cells[1].broken
    assert exit_of(found, "speed<-50%") == 1


def test_a_cell_that_failed_before_does_not_fail():
    bad = ended("lora", "oom", "No memory.")
    assert exit_of(between([bad], [bad]), *BOUNDS) == 0
    assert exit_of(between([bad], [lora()]), *BOUNDS) == 0


def test_nothing_in_common_is_nothing_judged():
    found = between([lora()], [ok("full")])
    assert exit_of(found, "speed<-3%") == 4
    assert "No method is in both" in write(found, [], "text")


@pytest.mark.parametrize(
    ("bound", "breaks"),
    [
        ("peak_memory_bytes>+5%", True),
        ("memory>+5%", True),
        (" peak_memory >= +5 % ", True),
        ("peak_memory>+25%", False),
        ("peak_memory>+2GiB", True),
        ("peak_memory>+20GiB", False),
        ("peak_memory>+1048576", True),
        ("peak_memory<-1%", False),
        ("rougeL<-0.02", True),
        ("rougeL<=-0.02", True),
        ("rougeL<-0.5", False),
        ("rougeL<-10%", True),
        ("speed<0", True),
        ("train_tokens_per_second<-3%", True),
        ("speed>+3%", False),
        ("trainable>0", False),
    ],
)
def test_bounds_are_on_the_change_in_percent_or_in_the_figure_s_own_unit(bound, breaks):
    found = between([lora(0.6, 30.0, 9000)], [lora(0.4, 36.0, 7200)])
    assert exit_of(found, bound) == int(breaks)


def test_growth_from_nothing_is_beyond_every_percentage():
    found = between([lora(memory=0.0)], [lora(memory=1.0)])
    assert exit_of(found, "peak_memory>+1000%") == 1
    told = json.loads(write(found, [], "json"))["cells"][0]["figures"]["peak_memory_bytes"]
    assert told["change_percent"] is None


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ("sped<-3%", "Unknown figure 'sped': did you mean 'speed'"),
        ("rouge_l<-3%", "did you mean"),
        ("peak_memory", "is no bound"),
        ("rougeL<0.02", "with its sign"),
        ("rougeL<-nan", "is no bound"),
        ("rougeL=-1", "is no bound"),
        ("rougeL<-1GiB", "counts bytes"),
        ("", "is no bound"),
    ],
)
def test_a_bound_that_cannot_be_read_is_refused_with_a_way_out(bound, said):
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        read(bound, known_figures(diff(seven(), seven())))


@pytest.mark.parametrize("form", FORMS)
def test_every_format_tells_the_same(form):
    old = [lora(0.6, 30.0), ok("full"), ok("qlora")]
    new = [lora(0.4, 36.0), ended("full", "oom", "No | memory.")]
    found = between(old, new)
    outcomes = judge([read("peak_memory>+5%", known_figures(found))], found)
    text = write(found, outcomes, form)
    for name in ("lora", "full", "qlora"):
        assert name in text
    assert "worse" in text
    assert "oom in train" in text
    assert "peak_memory" in text


def test_the_text_fits_eighty_columns_whatever_the_names():
    composition = "lora(r=64,alpha=128)+flash-attention+gradient-checkpointing+something-long"
    score = "evaluate:a-long-name-of-a-score"
    old = ok(composition, 0.6, 30.0, 123_456.0, corpus_scores={score: 0.25})
    shorter = cell(composition, settings={"seq_len": 8})
    new = ok(composition, 0.4, 3000.0, 12.0, cell=shorter, corpus_scores={score: 0.5})
    found = between([old], [new])
    bounds = (f"{score}>+0", *BOUNDS, "padded_tokens_per_second<-1%")
    outcomes = judge([read(b, known_figures(found)) for b in bounds], found)
    lines = write(found, outcomes, "text").splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("FAILS") for line in lines) >= 4


def test_the_json_has_every_figure_and_what_broke_each_rule():
    found = between([lora(0.6, 30.0)], [lora(0.4, 36.0)])
    outcomes = judge([read("peak_memory>+5%", known_figures(found))], found)
    content = json.loads(write(found, outcomes, "json"))
    figures = content["cells"][0]["figures"]
    assert figures["rougeL"]["p_value"] < 0.05
    assert figures["rougeL"]["interval"][1] < 0
    assert figures["peak_memory_bytes"]["change"] == 6 * 2**30
    assert content["rules"][0]["broken_by"] == ["lora"]
    assert content["rules"][0]["verdict"] == "broken"
    assert {f for f, c in figures.items() if c["verdict"] in SIGNIFICANT} >= {"rougeL", "rouge1"}


def test_texts_of_records_stay_in_their_place():
    nasty = "\x1b[31mred\x07 <script>alert(1)</script> | `x`\n# no"
    found = between([lora()], [ended("lora", "failed", nasty)])
    text, markdown = write(found, [], "text"), write(found, [], "markdown")
    assert "\x1b" not in text + markdown
    assert "\x07" not in text + markdown
    assert "<script>" not in markdown
    assert "\n# no" not in markdown


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs `llmbench diff` on comparisons: exit status, and all that was printed."""

    def call(old: Comparison, new: Comparison, *args: str) -> tuple[int, str]:
        for name, held in (("old", old), ("new", new)):
            store = Store(tmp_path / name)
            store.create()
            store.write_header(held.header)
            for record in held.records:
                store.write_record(record)
        folders = [str(tmp_path / name) for name in ("old", "new")]
        monkeypatch.setattr(sys, "argv", ["llmbench", "diff", *folders, *args])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out + err

    return call


def test_the_command_ends_with_one_when_something_got_worse_and_names_it(run):
    worse = comparison([lora(memory=36.0)])
    ended_with, said = run(comparison([lora()]), worse, "--fail-if", "peak_memory>+5%")
    assert ended_with == 1
    assert "FAILS peak_memory>+5%: lora went from 30.0 GiB to 36.0 GiB (+20.0 %)" in said


def test_each_bound_is_said_to_be_broken_or_to_hold_or_not_to_be_judged(run):
    old, new = comparison([lora()]), comparison([lora(memory=36.0)])
    bounds = ("peak_memory>+5%", "rougeL<-0.5", "fit_size<-1%")
    _, said = run(old, new, *(a for b in bounds for a in ("--fail-if", b)))
    assert "FAILS peak_memory>+5%" in said
    assert "\nHOLDS rougeL<-0.5\n" in said
    _, marked = run(old, new, *(a for b in bounds for a in ("--fail-if", b)), "--format=markdown")
    assert "**holds** `rougeL<-0.5`" in marked


def test_the_command_ends_with_nothing_where_nothing_changed(run):
    ended_with, said = run(seven(), seven(), *(f"--fail-if={b}" for b in BOUNDS))
    assert ended_with == 0
    assert "none changed beyond chance" in said


def test_the_command_ends_with_two_for_a_bound_that_it_does_not_know(run):
    ended_with, said = run(seven(), seven(), "--fail-if", "sped<-3%")
    assert ended_with == 2
    assert said == "llmbench: Unknown figure 'sped': did you mean 'speed'?\n"


def test_cells_with_a_budget_are_held_against_their_own_kind():
    found = between([ok("lora"), fitted("lora", 16)], [ok("lora"), fitted("lora", 24)])
    assert [c.name for c in found.cells] == ["lora", "lora, fit 16GiB"]
    assert found.notices == ()
    size = change(found, "fit_size", 1)
    assert (size.old, size.new, size.word) == (16, 24, "better")
    assert {c.figure.id for c in found.cells[1].changes} == {"fit_size", "train_tokens_per_second"}
    assert "fit_size" not in {c.figure.id for c in found.cells[0].changes}
    assert re.search(r"Largest that fits +16 +24 +\+50.0 %  better", write(found, [], "text"))


def test_another_budget_is_another_cell():
    found = between([fitted("lora", budget_gib=16)], [fitted("lora", budget_gib=24)])
    assert (found.cells, found.missing) == ((), ("lora, fit 16GiB",))


def test_a_bound_on_what_fits_can_be_broken():
    found = between([fitted("lora", 24)], [fitted("lora", 16)])
    assert exit_of(found, "fit_size<0") == 1


def test_what_only_tries_a_learning_rate_is_no_cell_of_either():
    old, new = [lora(), tried("lora", 1e-3, 2.0)], [lora(), tried("lora", 1e-2, 3.0)]
    found = between(old, new)
    assert [c.name for c in found.cells] == ["lora"]
    assert found.missing == found.added == found.notices == ()


def test_validation_losses_on_other_data_do_not_compare():
    old, new = validated(lora(), 3.0, 2.0), validated(lora(), 3.0, 1.5)
    assert change(between([old], [new]), "validation_loss").word == "spread unknown"
    other = HELD_OUT.model_copy(update={"sha256": "ab" * 32})
    moved = new.cell.model_copy(update={"validation_data": other})
    apart = new.model_copy(update={"cell": moved})
    assert change(between([old], [apart]), "validation_loss").word == "not comparable"


def test_a_difference_that_is_too_small_to_matter_is_a_change_all_the_same():
    old = [lora(cell=cell("lora", s)) for s in range(3)]
    new = [
        r.model_copy(
            update={
                "examples": tuple(
                    e.model_copy(update={"scores": {"rougeL": e.scores["rougeL"] - 0.002}})
                    for e in r.examples
                )
            }
        )
        for r in old
    ]
    assert change(between(old, new), "rougeL").word == "worse"
