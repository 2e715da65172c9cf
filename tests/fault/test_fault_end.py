"""Ends that people and systems ask for: signals, a closed terminal, a pipe that nobody reads."""

from __future__ import annotations

import signal
from collections import Counter

import pytest
from harness import begins, follow

from llmbench import errors

QUICK = ("--launcher", "quick", "--strategies", "full")
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_once_records_the_running_cell_and_renders_the_report(number, comparison, aftermath, often):
    made = comparison(*QUICK)
    report = number == signal.SIGINT or often(True, False)
    process = made.start(report=report, QUICK_SECONDS="0.5")
    ended = follow(process, lambda e, _: begins(e, "full", "train") and process.send_signal(number))
    assert ended.status == errors.INTERRUPTED
    assert Counter(r.status for r in made.records().values()) == {"ok": 1, "interrupted": 1}
    assert (made.root / "report.html").exists() == report
    assert not made.store.work.exists()
    found = aftermath(f"{number.name} once")
    found.look(made, ended)
    found.run_again(made)


def test_twice_ends_at_once(comparison, aftermath, often):
    launcher = often("fork", "quick")
    made = comparison("--launcher", launcher, "--strategies", "faulty(trouble=hang)")
    process = made.start(QUICK_SECONDS="1", QUICK_STUBBORN="yes")

    def twice(event, parent):
        if begins(event, "faulty", "train"):
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)  # another one, or the two could count as one

    ended = follow(process, twice)
    assert ended.status == errors.INTERRUPTED
    assert ended.errors.endswith("llmbench: interrupted.\n")
    assert Counter(r.status for r in made.records().values()) == {"ok": 1}
    found = aftermath("SIGINT twice, of a cell that heeds none")
    found.look(made, ended)
    found.run_again(made)


def test_a_pipe_that_nobody_reads_ends_nothing(comparison, aftermath):
    made = comparison(*QUICK)
    process = made.start(report=True, QUICK_SECONDS="0.05")
    assert process.stdout
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr
    assert process.stderr.read() == ""
    assert (made.root / "report.html").exists()
    found = aftermath("standard output closed by its reader")
    ended = found.run_again(made)
    assert ended.cells(kept=False) == set()
    assert len(ended.cells(kept=True)) == 2
    found.times += 1


def test_a_second_run_on_the_directory_says_who_holds_it(comparison, aftermath):
    made = comparison(*QUICK)
    first = made.start(QUICK_SECONDS="0.3")
    seconds = []

    def second(event, parent):
        if event["event"] == "phase" and not seconds:
            seconds.append(made.run())

    ended = follow(first, second)
    assert ended.status == errors.OK
    assert seconds[0].status == errors.USAGE
    assert seconds[0].errors.startswith("llmbench: 'out' is in use by another llmbench (process ")
    assert str(first.pid) in seconds[0].errors
    found = aftermath("a second run on the same directory")
    found.look(made, ended)


def test_a_second_run_that_waits_does_what_is_missing(comparison, aftermath):
    made = comparison(*QUICK)
    first, others = made.start(QUICK_SECONDS="0.3"), []

    def wait(event, parent):
        if event["event"] == "phase" and not others:
            others.append(made.start("--wait", "--seeds", "2"))

    ended = follow(first, wait)
    waited = follow(others[0])
    assert (ended.status, waited.status) == (errors.OK, errors.OK), waited.errors
    assert waited.events[0]["event"] == "waiting"
    assert len(waited.cells(kept=True)) == len(waited.cells(kept=False)) == 2
    found = aftermath("a second run that waits for the directory")
    found.look(made, waited)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda n: n.name)
def test_while_the_report_is_written_it_is_written_first(number, comparison, aftermath):
    made = comparison(*QUICK)
    process, seen = made.start(report=True), []

    def ask(event, parent):
        if event["event"] == "record":
            seen.append(event)
            if len(seen) == 2:  # the last
                process.send_signal(number)

    ended = follow(process, ask)
    assert ended.status == errors.INTERRUPTED
    assert (made.root / "report.html").exists()
    found = aftermath(f"{number.name} while the report is written")
    found.look(made, ended)


def test_a_standard_input_that_is_closed_costs_nothing(comparison, aftermath):
    made = comparison(*QUICK)
    closed = ("sh", "-c", 'exec "$@" <&-', "sh")
    ended = made.run(before=closed, report=True)
    assert ended.status == errors.OK, ended.errors
    assert (made.root / "report.html").exists()
    found = aftermath("standard input closed")
    found.look(made, ended)
