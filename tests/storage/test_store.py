from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import replace

import pytest
from records import cell, comparison, edit, ended, fitted, ok, seven, tried

from llmbench import files
from llmbench.errors import StoreError
from llmbench.files import write_text
from llmbench.output.html.page import render
from llmbench.record.record import SCHEMA_VERSION, DataRef
from llmbench.storage.read import MOST_BYTES, read_record
from llmbench.storage.store import Store


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "reports" / "mine")
    made.create()
    return made


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_everything_that_is_written_reads_back(store):
    whole = seven()
    store.write_header(whole.header)
    for record in whole.records:
        store.write_record(record)
    inputs = [{"id": i, "input": text} for i, text in whole.inputs.items()]
    write_text(store.data / "eval.jsonl", "".join(json.dumps(row) + "\n" for row in inputs))
    assert store.read() == whole


def test_records_come_in_the_order_of_the_plan(store):
    whole = seven()
    store.write_header(whole.header)
    for record in reversed(whole.records):
        store.write_record(record)
    assert [r.cell.id for r in store.read().records] == [r.cell.id for r in whole.records]


def test_a_record_that_the_plan_does_not_name_comes_last(store):
    store.write_header(comparison([ok("lora")]).header)
    for composition in ("base", "lora"):
        store.write_record(ok(composition))
    assert [r.cell.composition for r in store.read().records] == ["lora", "base"]


def test_a_cell_run_again_is_a_new_attempt_and_the_old_one_stays(store):
    first, second, third = ended("lora", "oom", "first"), ended("lora", "oom", "2nd"), ok("lora")
    assert [store.write_record(r).attempt for r in (first, second, third)] == [1, 2, 3]
    name = first.cell.id
    assert names(store.records) == [
        f"{name}.attempt-1.json",
        f"{name}.attempt-2.json",
        f"{name}.json",
    ]
    assert read_record(store.records / f"{name}.attempt-1.json") == first
    assert store.record(name).status == "ok"


def test_a_cell_has_a_record_whenever_its_next_one_is_written(store, monkeypatch):
    """At no moment would a kill leave the cell without one, or lose an earlier one."""
    first = store.write_record(ended("lora", "oom", "first"))
    seen = []

    def look(path, content):
        seen.append(store.record(first.cell.id))
        return write(path, content)

    write = files.write_bytes
    monkeypatch.setattr(files, "write_bytes", look)
    monkeypatch.setattr("llmbench.storage.store.write_bytes", look)
    store.write_record(ok("lora"))
    assert seen == [first, first]


def test_the_log_of_an_earlier_attempt_is_kept_beside_the_next_one(store):
    record = ended("lora", "oom", "first")
    log = store.log(record.cell.id)
    log.write_text("first")
    store.write_record(record)
    assert store.log(record.cell.id) == log
    log.write_text("second")
    assert names(store.logs) == [f"{record.cell.id}.attempt-1.log", f"{record.cell.id}.log"]
    # Killed before it had a record: the next one goes on below it, and the first one stays.
    assert store.log(record.cell.id).read_text() == "second"
    assert log.with_name(f"{record.cell.id}.attempt-1.log").read_text() == "first"


def test_only_the_latest_attempt_is_read(store):
    store.write_header(comparison([ok("lora")]).header)
    store.write_record(ended("lora", "failed", "at first"))
    store.write_record(ok("lora"))
    assert [r.status for r in store.read().records] == ["ok"]


def test_a_record_is_read_once_until_its_file_is_another(store, monkeypatch):
    reads = []
    monkeypatch.setattr(
        "llmbench.storage.store.read_record", lambda path: reads.append(path) or read_record(path)
    )
    store.write_header(comparison([ok("full")]).header)
    written = store.write_record(ok("full"))
    assert store.record(written.cell.id) == store.read().records[0] == written
    assert len(reads) == 1
    again = store.write_record(ended("full", "oom", "again"))
    assert store.read().records == (again,)
    assert len(reads) == 2


def test_a_record_that_cannot_be_read_is_named_and_left_alone(store):
    store.write_header(comparison([ok("lora"), ok("full")]).header)
    store.write_record(ok("full"))
    broken = store.records / f"{cell('lora').id}.json"
    broken.write_text('{"schema_version": 1, "cell"')
    found = store.read()
    assert [r.cell.composition for r in found.records] == ["full"]
    assert len(found.problems) == 1
    assert broken.name in found.problems[0]
    assert broken.read_text() == '{"schema_version": 1, "cell"'


def test_a_record_that_cannot_be_read_counts_as_none(store):
    (store.records / "lora.json").write_text("not json")
    assert store.record("lora") is None


def test_a_new_record_takes_the_place_of_one_that_cannot_be_read_and_keeps_it(store):
    record = ok("lora")
    path = store.records / f"{record.cell.id}.json"
    path.write_text("not json")
    store.write_record(record)
    assert store.record(record.cell.id).status == "ok"
    assert "not json" in {p.read_text() for p in store.records.iterdir()}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "cannot be read"),
        ("[]", "is not a file of llmbench's"),
        ("{}", "is not a file of llmbench's"),
        (json.dumps({"schema_version": SCHEMA_VERSION + 1}), "written by a newer llmbench"),
        (json.dumps({"schema_version": 1, "status": "fine"}), "is not a record ("),
    ],
)
def test_what_is_no_record_is_refused_with_the_reason(tmp_path, content, part):
    path = tmp_path / "lora.json"
    path.write_text(content)
    with pytest.raises(StoreError) as caught:
        read_record(path)
    assert part in str(caught.value)
    assert "'lora.json'" in str(caught.value)


def test_a_directory_without_a_comparison_is_refused(tmp_path):
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "nothing").read()
    assert "nothing" in str(caught.value)


def test_a_name_that_no_directory_can_have_is_refused(tmp_path):
    with pytest.raises(StoreError, match="holds no comparison: name a directory"):
        Store(tmp_path / ("x" * 300)).read()


@pytest.mark.parametrize(
    ("in_its_place", "why"),
    [(lambda p: None, "No such file or directory"), (lambda p: p.touch(), "Not a directory")],
    ids=["nothing", "a file"],
)
def test_records_that_are_gone_altogether_are_named(whole, in_its_place, why):
    store, _ = whole
    shutil.rmtree(store.records)
    in_its_place(store.records)
    read = store.read()
    assert read.records == ()
    assert read.problems == (f"'records', which holds the cells' records, cannot be read ({why}).",)


@pytest.mark.parametrize("content", ["{}", '{"schema_version": 1}', "not json"])
def test_a_header_that_is_none_is_refused(store, content):
    (store.root / "comparison.json").write_text(content)
    with pytest.raises(StoreError):
        store.read()


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"name another with --output\.$"):
        Store(tmp_path / "file" / "mine").create()


def test_what_workers_are_told_is_for_nobody_else_to_read(store):
    assert stat.S_IMODE(store.work.stat().st_mode) == 0o700


def test_making_a_directory_that_is_there_keeps_what_it_holds(store):
    store.write_record(ok("lora"))
    Store(store.root).create()
    assert store.record(ok("lora").cell.id) == ok("lora")


def test_a_file_that_cannot_be_made_is_one_sentence(tmp_path):
    """On a read-only disk, removing what was never made fails as well."""
    with pytest.raises(StoreError, match="Cannot write 'file'"):
        write_text(tmp_path / "nowhere" / "file", "text")


def test_a_workers_folder_is_empty_and_made_in_a_directory_that_is_there(store):
    folder = store.work_folder("lora")
    (folder / "left").write_text("over")
    assert names(store.work_folder("lora")) == []
    shutil.rmtree(store.root)
    with pytest.raises(StoreError, match="No such file or directory"):
        store.work_folder("lora")


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "text"
    path.write_text("old")
    write_text(path, "new ü\n")
    assert path.read_bytes() == "new ü\n".encode()
    assert names(tmp_path) == ["text"]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "target").mkdir()
    with pytest.raises(StoreError, match="Cannot write 'target'"):
        write_text(tmp_path / "target", "text")
    assert names(tmp_path) == ["target"]


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0b"])
def test_an_input_may_hold_any_line_separator(store, separator):
    from llmbench.source import data as dataset

    store.write_header(comparison([ok("lora")]).header)
    example = dataset.Example("a", f"one{separator}two", ("target",))
    write_text(store.data / "eval.jsonl", dataset.lines([example]))
    assert store.read().inputs == {"a": example.input}


def test_losses_that_are_not_numbers_survive_as_missing(store):
    record = ok("lora")
    last = record.steps[-1].model_copy(update={"loss": None})
    record = record.model_copy(update={"steps": (*record.steps[:-1], last)})
    store.write_record(record)
    assert store.record(record.cell.id).steps[-1].loss is None


def test_scores_that_are_not_numbers_are_left_out(store):
    record = ok("lora").model_copy(update={"corpus_scores": {"bleu": 0.5, "r": float("nan")}})
    store.write_record(record)
    assert store.record(record.cell.id).corpus_scores == {"bleu": 0.5}


def test_examples_of_other_data_than_the_plan_s_do_not_pass_for_the_same(store):
    other = cell("full", eval_data=DataRef(name="other.jsonl", examples=24, sha256="ab" * 32))
    made = [ok("lora"), ok("full", cell=other)]
    store.write_header(comparison(made).header)
    for record in made:
        store.write_record(record)
    ours, theirs = ([e.id for e in r.examples] for r in store.read().records)
    assert ours[0] == "eval-0000"
    assert theirs[0] == "abababab:eval-0000"
    assert not set(ours) & set(theirs)


def test_a_comparison_without_kept_inputs_reads_without(store):
    whole = seven()
    store.write_header(whole.header)
    for record in whole.records:
        store.write_record(record)
    assert store.read() == replace(whole, inputs={})


def test_cells_with_a_budget_are_kept_apart_in_records_and_plan():
    whole = comparison([ok("full"), ok("lora"), fitted("lora")])
    assert [r.cell.name for r in whole.equal.records] == ["full", "lora"]
    assert [r.cell.name for r in whole.fitted.records] == ["lora, fit 16GiB"]
    assert [p.cell.name for p in whole.equal.header.plan.cells] == ["full", "lora"]
    assert [p.cell.name for p in whole.fitted.header.plan.cells] == ["lora, fit 16GiB"]
    assert whole.equal.equal == whole.equal


def test_what_only_tries_a_learning_rate_is_apart_from_all_that_is_reported():
    whole = comparison([tried("lora", 1e-3, 2.0), ok("lora"), fitted("lora")])
    assert [r.cell.name for r in whole.equal.records] == ["lora"]
    assert [r.cell.name for r in whole.fitted.records] == ["lora, fit 16GiB"]
    assert [r.cell.name for r in whole.reported.records] == ["lora", "lora, fit 16GiB"]
    assert [r.cell.tuning for r in whole.tried.records] == [True]
    assert [p.cell.name for p in whole.equal.header.plan.cells] == ["lora"]
    assert len(whole.tried.header.plan.cells) == 1


@pytest.fixture
def whole(store):
    """A store with a comparison of two cells, and the paths of their records."""
    made = comparison([ok("lora"), ok("full")])
    store.write_header(made.header)
    for record in made.records:
        store.write_record(record)
    return store, store.records / f"{cell('lora').id}.json"


def as_pipe(path):
    path.unlink()
    os.mkfifo(path)


def as_link(path):
    path.symlink_to(path.rename(path.with_suffix(".moved")))


def as_folder(path):
    path.unlink()
    path.mkdir()


def as_huge(path):
    os.truncate(path, MOST_BYTES + 1)  # a hole: takes no room


def with_number(path, value, *place):
    """Put a number where the keys lead; of a list, into every item."""

    def put(held, key, *rest):
        for part in held if isinstance(held, list) else [held]:
            if rest:
                put(part[key], *rest)
            else:
                part[key] = value

    content = json.loads(path.read_text())
    put(content, *place)
    path.write_text(json.dumps(content))


IMPOSSIBLE = [
    (0, "steps", "seconds"),
    (-1.5, "steps", "seconds"),
    (1e-300, "steps", "seconds"),
    (1e300, "steps", "seconds"),
    (1e300, "steps", "loss"),
    (0, "steps", "padded_tokens"),
    (-1, "steps", "supervised_tokens"),
    (10**309, "steps", "nonpadding_tokens"),
    (-1, "generation", "batches", "seconds"),
    (10**400, "generation", "batches", "new_tokens"),
    (-1, "phases", "train", "seconds"),
    (10**309, "phases", "train", "memory", "allocated_bytes"),
    (-1, "phases", "train", "memory", "host_growth_bytes"),
    (10**309, "phases", "train", "seconds"),
    (10**309, "parameters", "trainable"),
    (2**63, "artifact_bytes"),
    ("same", "examples", "id"),
    (0, "attempt"),
    (10**309, "cell", "seed"),
    (-1, "environment", "device_memory_bytes"),
]
"""Numbers that no run could have had, and where they are put."""


@pytest.mark.parametrize(("value", "place"), [(v, p) for v, *p in IMPOSSIBLE], ids=repr)
def test_a_number_that_cannot_be_is_named_with_its_record(whole, value, place):
    store, path = whole
    with_number(path, value, *place)
    read = store.read()
    assert [r.cell.composition for r in read.records] == ["full"]
    assert f"{path.name!r} is not a record ({place[0]}" in read.problems[0]
    assert "\n" not in read.problems[0]
    assert "lora" in render(read)


POSSIBLE = [
    (0.0, "phases", "load", "seconds"),
    (0.0, "generation", "batches", "seconds"),
    (0, "generation", "batches", "new_tokens"),
    (0, "phases", "train", "memory", "host_growth_bytes"),
    (0, "phases", "train", "memory", "allocated_bytes"),
    (0, "steps", "supervised_tokens"),
    (0, "steps", "nonpadding_tokens"),
    (1e-6, "steps", "seconds"),
    (3e38, "steps", "loss"),
    (-2.5, "eval_loss"),
    (-40.0, "examples", "scores", "rougeL"),
    (1e300, "examples", "scores", "rougeL"),
    (10**309, "examples", "scores", "rougeL"),
    (0, "parameters", "total"),
    (10**18, "artifact_bytes"),
]
"""Odd ones that a run may have had."""


@pytest.mark.parametrize(("value", "place"), [(v, p) for v, *p in POSSIBLE], ids=repr)
def test_a_number_that_is_only_odd_is_read_and_shown(whole, value, place):
    store, path = whole
    with_number(path, value, *place)
    read = store.read()
    assert (len(read.records), read.problems) == (2, ())
    assert "lora" in render(read)


SPOILT = {
    "truncated": (lambda p: p.write_text(p.read_text()[:-200]), "cannot be read"),
    "edited": (lambda p: edit(p, status="fine"), "is not a record (status"),
    "with more": (lambda p: edit(p, more=1), "is not a record (more"),
    "infinite": (lambda p: edit(p, seconds=float("inf")), "is not a record (seconds"),
    "of version 0": (lambda p: edit(p, schema_version=0), "is not a file of llmbench's"),
    "of version true": (lambda p: edit(p, schema_version=True), "is not a file of llmbench's"),
    "newer": (lambda p: edit(p, schema_version=99), "written by a newer llmbench (schema 99"),
    "foreign": (lambda p: p.write_text('{"name": "package"}'), "is not a file of llmbench's"),
    "binary": (lambda p: p.write_bytes(bytes(range(256))), "it is not UTF-8 text"),
    "huge": (as_huge, "it is too large to be llmbench's"),
    "deep": (lambda p: p.write_text("[" * 100_000), "it is nested too deeply"),
    "a link": (as_link, "it is no ordinary file"),
    "a pipe": (as_pipe, "it is no ordinary file"),
    "a folder": (as_folder, "it is no ordinary file"),
    "a copy": (lambda p: p.rename(p.with_name("lora copy.json")), "has a file of its own"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_whatever_has_become_of_a_record_it_is_named_and_the_rest_is_read(whole, kind):
    spoil, said = SPOILT[kind]
    store, path = whole
    spoil(path)
    read = store.read()
    assert [r.cell.composition for r in read.records] == ["full"]
    assert len(read.problems) == 1
    assert said in read.problems[0]
    assert "lora" in read.problems[0]
    assert "\n" not in read.problems[0]


@pytest.mark.parametrize("name", ["../../outside", "a/b", "", "a\0"])
def test_a_record_whose_cell_cannot_be_a_file_s_name_is_refused(whole, name):
    _, path = whole
    edit(path, cell=json.loads(path.read_text())["cell"] | {"id": name})
    with pytest.raises(StoreError, match="cannot be a file's name"):
        read_record(path)


@pytest.mark.parametrize("content", ["{", '{"id": 1}', "[]", "[" * 100_000, b"\xff"])
def test_inputs_that_are_spoilt_are_named_and_the_records_are_read(whole, content):
    store, _ = whole
    data = content if isinstance(content, bytes) else content.encode()
    (store.data / "eval.jsonl").write_bytes(data)
    read = store.read()
    assert len(read.records) == 2
    assert "eval.jsonl" in read.problems[0]
