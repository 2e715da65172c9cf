"""Which records a run keeps, and what it takes over from a run that was killed."""

from __future__ import annotations

import pytest
from records import ended, ok

from llmbench.files import write_text
from llmbench.run.cell import is_result
from llmbench.run.comparison import recover
from llmbench.storage.read import read_record
from llmbench.storage.store import Store

SKIPPED_BEFORE = ended("lora", "skipped", "Not here.")
SKIPPED_INSIDE = ended("lora", "skipped", "Another kernel ran.", phase="train")


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "out")
    made.create()
    return made


def left_behind(store, record):
    folder = store.work / record.cell.id
    folder.mkdir()
    write_text(folder / "record.json", record.model_dump_json())


def left_over(store):
    """What a killed run may leave besides records."""
    return [*store.work.iterdir(), *store.records.glob(".*")]


@pytest.mark.parametrize("status", ["ok", "failed", "oom", "diverged", "timeout"])
def test_a_result_stands_whether_good_or_bad(status):
    assert is_result(ended("lora", status, "because"), None, ())


@pytest.mark.parametrize("status", ["interrupted", "killed"])
def test_an_end_from_outside_is_no_result(status):
    assert not is_result(ended("lora", status, "because"), None, ())


@pytest.mark.parametrize(
    ("status", "retry", "stands"),
    [
        ("failed", ("failed",), False),
        ("oom", ("failed",), True),
        ("oom", ("failed", "oom"), False),
        ("timeout", ("all",), False),
        ("ok", ("all",), True),
    ],
)
def test_what_is_asked_for_is_run_again_and_nothing_else(status, retry, stands):
    assert is_result(ended("lora", status, "because"), None, retry) == stands


@pytest.mark.parametrize(
    ("held", "skip", "stands"),
    [
        (SKIPPED_BEFORE, "Not here.", True),
        (SKIPPED_BEFORE, None, False),
        (SKIPPED_INSIDE, None, True),
    ],
)
def test_a_skipped_cell_stays_so_for_as_long_as_there_is_a_reason(held, skip, stands):
    assert is_result(held, skip, ()) == stands
    assert not is_result(held, skip, ("skipped",))


def test_a_cell_that_had_ended_when_its_parent_was_killed_is_taken_over(store):
    left_behind(store, ok("lora"))
    recover(store)
    assert store.record(ok("lora").cell.id) == ok("lora")
    assert left_over(store) == []


def test_of_a_cell_that_had_not_ended_is_kept_what_was_known(store):
    left_behind(store, ok("lora", status="running", phase="train", attempt=2))
    store.write_record(ended("lora", "oom", "first"))
    recover(store)
    taken = store.record(ok("lora").cell.id)
    assert (taken.status, taken.phase, taken.attempt) == ("killed", "train", 2)
    assert taken.steps == ok("lora").steps
    assert "killed" in taken.reason


def test_what_had_its_record_already_is_not_taken_over_twice(store):
    left_behind(store, ok("lora"))
    store.write_record(ok("lora"))
    recover(store)
    assert list(store.records.iterdir()) == [store.records / f"{ok('lora').cell.id}.json"]


def test_what_cannot_be_read_is_removed(store):
    (store.work / "lora").mkdir()
    (store.work / "lora" / "record.json").write_text('{"schema_ver')
    (store.records / ".lora.json.123.llmbench").write_text('{"schema_ver')
    recover(store)
    assert left_over(store) == []
    assert list(store.records.iterdir()) == []


def test_a_record_knows_the_attempts_before_it(store):
    for status in ("oom", "killed"):
        store.write_record(ended("lora", status, f"{status}, for a reason"))
    latest = store.write_record(ok("lora"))
    assert [(a.attempt, a.status, a.phase) for a in latest.earlier] == [
        (1, "oom", "train"),
        (2, "killed", "train"),
    ]
    assert read_record(store.records / f"{latest.cell.id}.json") == latest


@pytest.mark.usefixtures("somebody")
@pytest.mark.parametrize("name", ["estimate", "lora"])
def test_the_log_of_a_run_that_was_killed_is_redacted(store, name):
    """Also that of a prediction, which is no cell's."""
    store.work_folder(name)
    log = store.logs / f"{name}.log"
    log.write_text("my-own-token of zaphod\n")
    recover(store)
    assert log.read_text() == "[secret] of user\n"
