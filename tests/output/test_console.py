"""How a comparison looks: every view is told the same story and asked what it shows."""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from records import cell, comparison, ended, fitted, ok, tried, validated
from rich.console import Console

from llmbench.errors import INTERRUPTED
from llmbench.output.brief import brief
from llmbench.output.terminal import views
from llmbench.output.terminal.jsonl import JsonLines
from llmbench.output.terminal.lines import Lines, Quiet, again
from llmbench.output.terminal.live import LiveView
from llmbench.output.terminal.progress import Pace
from llmbench.output.terminal.tables import folded, table
from llmbench.record import events
from llmbench.record.comparison import Plan, Planned
from llmbench.record.events import (
    Generated,
    Interrupted,
    Notice,
    PhaseBegun,
    SizeTried,
    Started,
    StepTaken,
    Unpredicted,
    Waiting,
)

ROOT = Path("reports/mine")
RECORDS = (
    ok("base"),
    ok("full+gradient-checkpointing"),
    ended("lora", "oom", "CUDA is out of memory."),
)


class Time:
    """A clock that stands still until it is told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def terminal(width: int = 80, **options) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=width, highlight=False, **options), out


def tell(view, records=RECORDS, kept=()):
    """A whole comparison, from the plan to the report."""
    with view:
        view.start(Plan(cells=tuple(Planned(cell=r.cell) for r in records)), ROOT)
        for record in records:
            if record in kept:
                view.record(record, True)
                continue
            view.cell(record.cell)
            view.event(Started())
            view.event(PhaseBegun(phase="load"))
            view.event(PhaseBegun(phase="train"))
            for step in (1, 2):
                view.event(
                    StepTaken(
                        step=step,
                        steps=2,
                        loss=2.0,
                        tokens_per_second=1234.0,
                        memory_bytes=3 * 2**30,
                    )
                )
            view.event(PhaseBegun(phase="evaluate"))
            view.event(Generated(done=8, total=8))
            view.record(record, False)
    view.finish(comparison(records), ROOT / "report.html", 1)


def told(view, out, *args):
    tell(view, *args)
    return out.getvalue().splitlines()


def odd():
    """A comparison of which there is something to know."""
    return comparison([ok("lora"), ok("full", optimizer="SGD")])


def test_lines_end_with_what_there_is_to_know():
    screen, out = terminal()
    Lines(screen).finish(odd(), ROOT / "report.html", 0)
    lines = out.getvalue().splitlines()
    said = " ".join(" ".join(lines).split()).partition("Warning: ")[2]
    assert "the optimiser that ran" in said
    assert "AdamW in lora; SGD in full" in said
    assert max(map(len, lines)) <= 80


def test_json_has_a_line_for_each_thing_to_know():
    out = io.StringIO()
    JsonLines(out).finish(odd(), ROOT / "report.html", 0)
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [e["event"] for e in events] == ["warning", "end"]
    assert "the optimiser that ran" in events[0]["reason"]


def test_lines_say_start_end_and_where_the_report_is():
    screen, out = terminal()
    lines = told(Lines(screen), out)
    assert lines[0] == "3 runs, into reports/mine"
    assert lines[1] == "[1/3] base ..."
    assert lines[4].startswith("[2/3] full+gradient-checkpointing  ROUGE-L 0.")
    assert lines[4].endswith("s")
    assert "30.0 GiB" in lines[4]
    assert " ".join(lines[6].split()) == "[3/3] lora oom in train: CUDA is out of memory."
    assert lines[-2] == "1 run did not end well: see reports/mine/logs"
    assert lines[-1] == "Report: reports/mine/report.html"


def test_lines_end_with_the_answer_and_why_in_the_terminal_s_width():
    screen, out = terminal(60)
    made = [ok("full", 0.64, 62.0), ok("lora", 0.62, 35.0)]
    Lines(screen).finish(comparison(made), ROOT / "report.html", 0)
    lines = out.getvalue().splitlines()
    at = lines.index("Try lora first, as far as one seed can tell.")
    said = " ".join(line.strip() for line in lines[at + 1 : lines.index("", at)])
    assert said.startswith("Its ROUGE-L is 0.6")
    assert "difference -0." in said
    assert "apart in quality or in speed; this one needs the least peak memory, " in said
    assert lines[at - 1] == ""
    assert max(map(len, lines)) <= 60
    assert "`" not in out.getvalue()


def test_a_comparison_of_what_fits_alone_has_no_answer():
    screen, out = terminal()
    Lines(screen).finish(comparison([fitted("lora")]), ROOT / "report.html", 0)
    assert "There are no records" not in out.getvalue()


def test_every_line_of_a_built_in_composition_fits_80_columns():
    screen, out = terminal()
    assert max(len(line) for line in told(Lines(screen), out)) <= 80


def test_verbose_has_a_line_for_each_phase_with_its_figures():
    screen, out = terminal(width=120)
    lines = told(Lines(screen, verbose=True), out)
    phases = [line for line in lines if line.startswith("[2/3] full+gradient-checkpointing  ")]
    assert [line.split()[2] for line in phases] == ["load", "train", "evaluate", "ROUGE-L"]
    assert "train  2/2  1,234 tok/s  3.0 GiB" in phases[1]


@pytest.mark.parametrize("kind", [Unpredicted, Notice])
def test_what_there_is_to_know_before_a_cell_runs_is_said(kind):
    screen, out = terminal()
    Lines(screen).event(kind(reason="Memory is not predicted."))
    assert out.getvalue() == "Memory is not predicted.\n"


def test_waiting_is_said_and_leaves_quiet_output_alone():
    waiting = Waiting(reason="The GPU is in use: waiting for it to end.")
    (screen, out), (errors, err) = terminal(), terminal()
    Lines(screen).event(waiting)
    Quiet(screen, errors).event(waiting)
    assert out.getvalue() == err.getvalue() == "The GPU is in use: waiting for it to end.\n"


def test_what_was_kept_though_it_did_not_end_well_can_be_run_again():
    screen, out = terminal()
    lines = told(Lines(screen), out, RECORDS, RECORDS)
    assert "[3/3] lora" in lines[3]
    assert lines[3].endswith("  kept")
    assert lines[-2] == "Kept from an earlier run: 1 oom. --retry oom runs it again."
    found = again(Counter(failed=3, oom=1))
    assert found == "Kept from an earlier run: 3 failed, 1 oom. --retry failed,oom runs them again."


def test_a_record_that_was_there_before_is_said_to_be_kept():
    screen, out = terminal()
    lines = told(Lines(screen), out, RECORDS, RECORDS[:1])
    assert lines[1].startswith("[1/3] base")
    assert lines[1].endswith("  kept")


def test_quiet_prints_the_reports_path_and_failures_apart():
    (screen, out), (errors, err) = terminal(), terminal()
    assert told(Quiet(screen, errors), out) == ["reports/mine/report.html"]
    assert err.getvalue().splitlines() == ["lora  oom in train: CUDA is out of memory."]


def test_machines_get_every_event_as_json_and_nothing_else():
    out = io.StringIO()
    lines = [json.loads(line) for line in told(JsonLines(out), out)]
    assert [x["event"] for x in lines[:5]] == ["plan", "cell", "start", "phase", "phase"]
    assert lines[0]["output"] == "reports/mine"
    assert [c["composition"] for c in lines[0]["cells"]] == [r.cell.composition for r in RECORDS]
    step = next(x for x in lines if x["event"] == "step")
    assert (step["cell"], step["memory_bytes"]) == (RECORDS[0].cell.id, 3 * 2**30)
    good, bad = (x for x in lines if x["event"] == "record" and x["composition"] != "base")
    assert good["figures"]["peak_memory_bytes"] == 30 * 2**30
    assert (bad["status"], bad["phase"], bad["reason"]) == (
        "oom",
        "train",
        "CUDA is out of memory.",
    )
    assert lines[-1]["event"] == "end"
    assert (lines[-1]["report"], lines[-1]["exit_status"]) == ("reports/mine/report.html", 1)
    assert all("seconds" in x for x in lines)


def test_a_workers_event_cannot_pass_for_another_cells():
    out = io.StringIO()
    view = JsonLines(out)
    view.cell(RECORDS[0].cell)
    view.event(events.read(b'{"event": "start", "cell": "another", "seconds": -1}'))
    said = json.loads(out.getvalue().splitlines()[1])
    assert said["cell"] == RECORDS[0].cell.id
    assert said["seconds"] >= 0


@pytest.mark.parametrize("width", [80, 120])
def test_the_live_display_fits_the_terminal(width):
    screen, _ = terminal(width, force_terminal=True)
    view = LiveView(screen)
    view.start(Plan(cells=tuple(Planned(cell=r.cell) for r in RECORDS)), ROOT)
    view.cell(RECORDS[1].cell)
    view.event(PhaseBegun(phase="train"))
    speed, memory = 123456.0, 139 * 2**30
    step = StepTaken(step=1999, steps=2500, loss=1, tokens_per_second=speed, memory_bytes=memory)
    view.event(step)
    shown, out = terminal(width)
    shown.print(view.draw())
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert "train 1999/2500  123,456 tok/s  139 GiB" in lines[0]
    assert "0 of 3 done" in lines[2]
    assert max(len(line) for line in lines) <= width


def test_the_live_display_keeps_a_line_for_each_cell_that_has_ended():
    screen, out = terminal(force_terminal=True)
    tell(LiveView(screen))
    shown = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", out.getvalue())
    assert "[2/3] full+gradient-checkpointing  ROUGE-L" in shown
    assert "..." not in shown
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().index("\x1b[?25l")


def test_no_colour_is_written_where_none_is_wanted(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    screen, out = terminal(force_terminal=True)
    tell(Lines(screen))
    assert "\x1b[3" not in out.getvalue()


@pytest.mark.parametrize(
    ("mode", "terminal", "kind"),
    [
        ("normal", True, LiveView),
        ("normal", False, Lines),
        ("verbose", True, Lines),
        ("quiet", True, Quiet),
        ("jsonl", True, JsonLines),
    ],
)
def test_the_view_suits_the_mode_and_the_terminal(monkeypatch, mode, terminal, kind):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("rich.console.Console.is_terminal", terminal)
    assert type(views.view(mode)) is kind


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    assert type(views.view("normal")) is Lines


LONG = "lora(r=64,alpha=128,dropout=0.1)+4-bit+gradient-checkpointing+flash-attention"


def test_a_long_composition_is_folded_in_the_table_and_nothing_of_it_is_lost():
    screen, out = terminal()
    screen.print(table(brief(comparison([ok(LONG), ok("base")])), 80))
    lines = out.getvalue().splitlines()
    assert max(len(line) for line in lines) <= 80
    assert all(part in out.getvalue() for part in ("4-bit+", "gradient-checkpointing+"))
    assert folded(LONG, 30).plain.replace("\n ", "") == LONG


def test_rows_of_one_composition_are_told_apart_in_the_table():
    screen, out = terminal()
    longer = ok("lora", cell=cell("lora", id="longer", settings={"steps": 90}))
    screen.print(table(brief(comparison([ok("lora"), longer])), 80))
    assert "lora · steps 20" in out.getvalue()
    assert "lora · steps 90" in out.getvalue()


def test_a_cell_whose_first_loss_is_wrong_is_not_well_in_the_table():
    screen, out = terminal()
    screen.print(
        table(brief(comparison([ok("base"), ok("lora"), ok("shifted", first_loss=522.0)])), 80)
    )
    ends = {line.split()[0]: line.rstrip() for line in out.getvalue().splitlines()}
    assert ends["shifted"].endswith("wrong first loss")
    assert ends["lora"].endswith(" ok")


def test_a_short_composition_stays_in_a_line():
    assert folded("lora+4-bit", 30).plain == "lora+4-bit"


@pytest.fixture
def clock():
    return Time()


def planned(*names):
    return Plan(cells=tuple(Planned(cell=cell(name)) for name in names))


def pass_phases(pace, clock, name, **seconds):
    pace.cell(cell(name))
    for phase, spent in seconds.items():
        pace.phase(phase)
        clock.now += spent
    pace.record(ok(name))


def test_nothing_is_estimated_before_anything_is_measured(clock):
    pace = Pace(clock)
    pace.start(planned("base", "lora"))
    pace.cell(cell("base"))
    assert pace.left() is None
    assert pace.cell_left(pace.latest()) is None


def test_time_left_is_what_the_measured_cells_took(clock):
    pace = Pace(clock)
    pace.start(planned("base", "lora", "full", "8-bit"))
    pass_phases(pace, clock, "base", load=2, prepare=0, train=1, evaluate=10)
    assert pace.left() is None  # nobody knows yet how long training takes
    pass_phases(pace, clock, "lora", load=4, prepare=0, train=20, evaluate=12, save=1)
    assert pace.left() == 2 * (3 + 20 + 11 + 1)


def test_the_first_training_is_estimated_from_its_own_steps(clock):
    pace = Pace(clock)
    pace.start(planned("base", "lora", "full"))
    pass_phases(pace, clock, "base", load=2, prepare=0, train=1, evaluate=10)
    pace.cell(cell("lora"))
    pace.phase("load")
    clock.now += 2
    pace.phase("train")
    clock.now += 5
    pace.latest().count = 1, 4
    assert pace.cell_left(pace.latest()) == 15 + 10
    assert pace.left() == 25 + (2 + 20 + 10)


def test_a_phase_that_takes_longer_than_expected_leaves_no_negative_time(clock):
    pace = Pace(clock)
    pace.start(planned("lora", "full"))
    pass_phases(pace, clock, "lora", load=1, train=1, evaluate=1)
    pace.cell(cell("full"))
    pace.phase("evaluate")
    clock.now += 60
    assert pace.cell_left(pace.latest()) == 0


def test_what_only_the_first_cell_waits_for_is_expected_of_no_other(clock):
    pace = Pace(clock)
    pace.start(planned("lora", "full"))
    pace.cell(cell("lora"))
    clock.now += 20
    pace.ready()
    for phase in ("load", "train", "evaluate"):
        pace.phase(phase)
        clock.now += 1
    pace.record(ok("lora"))
    assert pace.left() == 3


def test_skipped_and_kept_cells_take_no_time(clock):
    pace = Pace(clock)
    skipped = Planned(cell=cell("8-bit"), skip="Not here.")
    pace.start(Plan(cells=(*planned("lora", "full").cells, skipped)))
    pass_phases(pace, clock, "lora", load=1, train=1, evaluate=1)
    pace.record(ok("full"))
    assert pace.left() == 0


def test_a_first_ctrl_c_is_answered_in_the_live_display():
    screen, _ = terminal(force_terminal=True)
    view = LiveView(screen)
    view.start(planned("lora"), ROOT)
    view.cell(cell("lora"))
    view.event(Interrupted())
    shown, out = terminal()
    shown.print(view.draw())
    assert "lora  interrupted, ends (Ctrl-C again" in out.getvalue()


def test_figures_that_nobody_has_take_no_column():
    screen, out = terminal()
    screen.print(table(brief(comparison([ok("base", quality=None), ok("lora", quality=None)])), 80))
    assert "ROUGE-L" not in out.getvalue()
    assert "Memory" in out.getvalue()


def test_a_figure_that_is_no_number_is_null_for_machines():
    out = io.StringIO()
    JsonLines(out).record(ok("lora").model_copy(update={"eval_loss": math.nan}), False)
    assert json.loads(out.getvalue(), parse_constant=pytest.fail)["figures"]["eval_loss"] is None


def test_what_fits_has_a_table_of_its_own_that_fits_the_terminal():
    screen, out = terminal()
    nothing = ended("full", "skipped", "Nothing fits into 16.0 GiB.", cell=fitted("full").cell)
    records = [ok("lora"), fitted("lora", 1024), fitted(LONG, 4096, stretched="seq_len"), nothing]
    Lines(screen).finish(comparison(records), ROOT / "report.html", 0)
    whole, sequences, tokens = re.split(r"What fits into 16 GiB *\n", out.getvalue())
    assert len(whole.strip().splitlines()) == 2
    assert re.search(r"Method +Sequences +Memory +Speed +Status", sequences)
    assert re.search(r"lora +1,024 +15.5 GiB +[\d,]+ tok/s +ok", sequences)
    assert re.search(r"full +- +- +- +skipped", sequences)
    assert re.search(r"Method +Tokens +", tokens)
    assert max(len(line) for line in out.getvalue().splitlines()) <= 80


def test_a_cell_with_a_budget_is_named_with_it_and_says_what_it_tries():
    screen, out = terminal()
    view, record = Lines(screen), fitted("lora")
    view.start(Plan(cells=(Planned(cell=record.cell),)), ROOT)
    view.cell(record.cell)
    view.event(PhaseBegun(phase="train"))
    view.event(SizeTried(size=2048))
    assert view.progress.pace.latest().figures == "trying 2,048"
    view.record(record, False)
    assert out.getvalue().count("lora, fit 16GiB ") == 2


def test_machines_hear_what_fits():
    out = io.StringIO()
    JsonLines(out).record(fitted("lora", 24), False)
    said = json.loads(out.getvalue())
    assert (said["fit_budget_bytes"], said["fit_size"]) == (2**34, 24)


def test_a_search_is_expected_to_take_what_searches_took(clock):
    pace = Pace(clock)
    cells = [fitted(name).cell for name in ("lora", "full", "qlora")]
    pace.start(Plan(cells=(*planned("lora").cells, *(Planned(cell=c) for c in cells))))
    pass_phases(pace, clock, "lora", load=2, train=10, evaluate=5, save=1)
    assert pace.left() == 3 * (2 + 10)  # as long as nobody knows better, and without evaluation
    pace.cell(cells[0])
    pace.phase("load")
    clock.now += 2
    pace.phase("train")
    clock.now += 40
    pace.record(fitted("lora"))
    assert pace.left() == 2 * (2 + 40)


def test_tries_that_run_side_by_side_say_nothing_of_how_many_others_will(clock):
    tries = [ok(name).cell.model_copy(update={"tuning": True, "id": name}) for name in "abc"]
    pace = Pace(clock)
    pace.start(Plan(cells=(*(Planned(cell=c) for c in tries), *planned("lora").cells)))
    for one in tries[:2]:
        pace.cell(one)
    for phase in ("load", "train"):
        for one in tries[:2]:
            pace.phase(phase, one)
        clock.now += {"load": 2, "train": 10}[phase]
    pace.taken["evaluate"] = [6.0]
    for one in tries[:2]:
        pace.record(ok("lora", cell=one))
    assert pace.left() == (2 + 10) / 2 + (2 + 10 + 6)


def test_a_cell_that_did_not_learn_is_marked_in_the_table_and_missing_from_the_answer():
    made = [validated(ok("full", 0.2), 2.51, 2.5), validated(ok("lora", 0.4), 2.51, 1.9)]
    screen, out = terminal()
    Lines(screen).finish(comparison(made), ROOT / "report.html", 0)
    lines = out.getvalue().splitlines()
    assert (
        next(line for line in lines if line.startswith("full")).rstrip().endswith("did not learn")
    )
    assert next(line for line in lines if line.startswith("lora")).rstrip().endswith("ok")
    assert "No verdict on methods: only lora learnt." in lines
    assert max(map(len, lines)) <= 80


def test_what_only_tries_a_learning_rate_is_in_no_table_and_warned_of_by_nobody():
    odd_one = tried("lora", 1e-3, 2.0).model_copy(update={"warnings": ("It was odd.",)})
    screen, out = terminal()
    Lines(screen).finish(comparison([odd_one, ok("full"), ok("lora")]), ROOT / "r.html", 0)
    assert "odd" not in out.getvalue()
    assert len(re.findall(r"^lora", out.getvalue(), re.MULTILINE)) == 1
    stream = io.StringIO()
    JsonLines(stream).finish(comparison([odd_one, ok("lora")]), ROOT / "r.html", 0)
    assert "odd" not in stream.getvalue()


def test_after_an_interruption_it_is_said_how_far_it_came_and_how_to_go_on():
    screen, out = terminal()
    records = [ok("full"), ended("lora", "interrupted", "Interrupted by the user."), ok("qlora")]
    held = comparison(records)
    held = replace(held, records=held.records[:2])
    Lines(screen).finish(held, ROOT / "report.html", INTERRUPTED)
    said = out.getvalue()
    assert f"Stopped after 1 of 3. Continue: {held.header.command} --output {ROOT}" in said


def test_an_output_that_a_file_or_a_variable_names_is_not_repeated_to_go_on():
    screen, out = terminal()
    held = comparison([ended("lora", "interrupted", "Interrupted by the user.")])
    kept = {**held.header.configuration, "output": "s3://bucket/one"}
    held = replace(held, header=held.header.model_copy(update={"configuration": kept}))
    Lines(screen).finish(held, ROOT / "report.html", INTERRUPTED)
    assert "Continue: " in out.getvalue()
    assert "--output" not in out.getvalue()


def test_a_name_that_would_be_broken_has_a_short_label_and_a_legend():
    screen, out = terminal(60)
    long = "lora(r=64,alpha=128,learning_rate_factor=100)"
    made = [
        ok("full", 0.64, 62.0),
        ok(long, 0.62, 35.0),
        ok("full+gradient-checkpointing", 0.6, 20),
    ]
    screen.print(table(brief(comparison(made)), 60))
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["full", "lora", "full+gc"]
    assert f"lora is {long}" in " ".join(" ".join(lines[4:]).split())
