from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from records import comparison, ended, ok, seven

from llmbench.errors import StoreError
from llmbench.output import csv_json
from llmbench.plugin.catalogue import Plugin
from llmbench.plugin.exporter import OURS, Exporter
from llmbench.storage.export import export
from llmbench.storage.store import Store


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_csv_row_per_cell_in_the_order_of_the_plan():
    whole = seven()
    rows = read_csv(csv_json.csv(whole))
    assert [row["strategy"] for row in rows] == [r.cell.composition for r in whole.records]


def test_what_was_not_measured_is_empty_and_never_zero():
    (row,) = read_csv(csv_json.csv(comparison([ended("full", "oom", "no memory")])))
    assert (row["status"], row["reason"]) == ("oom", "no memory")
    assert row["rougeL"] == row["peak_memory_bytes"] == row["train_tokens_per_second"] == ""


def test_counts_stay_whole_numbers_also_where_some_are_missing():
    rows = read_csv(csv_json.csv(comparison([ok("lora"), ended("full", "oom", "no memory")])))
    assert rows[0]["trainable_parameters"] == "39976960"
    assert rows[0]["artifact_bytes"] == "160000000"


HIDDEN = ["", " ", "\n", "\t\r\n ", "\ufeff", "\u200b\u2060", "\xa0", "\x00\x1f", "\u3000"]


@pytest.mark.parametrize("sign", "=+-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe66")
@pytest.mark.parametrize("before", HIDDEN, ids=ascii)
def test_text_that_a_spreadsheet_would_run_is_made_harmless(before, sign):
    text = f"{before}{sign}1+1; -2"
    (row,) = read_csv(csv_json.csv(comparison([ended("full", "failed", text)])))
    assert row["reason"] == f"'{text}"


@pytest.mark.parametrize("text", ["1+1", "a=b", "", " ", "(-2)", "\ufeffa"])
def test_other_text_and_numbers_stay_as_they_are(text):
    record = ended("full", "failed", text, first_loss=-0.5)
    (row,) = read_csv(csv_json.csv(comparison([record])))
    assert (row["reason"], row["first_loss"]) == (text, "-0.5")


def test_a_comparison_without_records_has_no_rows():
    assert csv_json.csv(replace(seven(), records=())) == "\n"


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_text_with_commas_quotes_and_line_breaks_survives(line_break):
    reason = f'said "no", twice,{line_break}and ended'
    (row,) = read_csv(csv_json.csv(comparison([ended("full", "failed", reason)])))
    assert row["reason"] == reason


def test_json_holds_the_same_rows_with_types():
    rows = json.loads(csv_json.json(comparison([ok("lora"), ended("full", "oom", "x")])))
    assert rows[0]["seed"] == 0
    assert isinstance(rows[0]["rougeL"], float)
    assert rows[1]["rougeL"] is None


def test_every_format_is_written_beside_the_records(tmp_path):
    written = export(seven(), tmp_path)
    assert {p.name for p in written.paths} >= {"results.csv", "results.json", "report.html"}
    assert all(p.parent == tmp_path and p.stat().st_size for p in written.paths)


@pytest.fixture
def theirs(registry, monkeypatch):
    """Adds an exporter of another package to those that are installed."""

    def add(name: str, filename: str, render) -> None:
        made = Exporter(name, "", filename, render)
        registry.add("register_exporters", name, made, Plugin(name, f"the-{name} 1.0"))

    return add


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_exporter_that_raises_costs_its_own_file_and_is_named(theirs, tmp_path, error):
    def render(comparison):
        raise error("no")

    theirs("raising", "x.txt", render)
    written = export(seven(), tmp_path)
    assert written.problems == [
        f"The exporter 'raising' of the-raising 1.0 failed in render ({error.__name__}: no). "
        "'x.txt' is left out."
    ]
    assert (tmp_path / "report.html").exists()


def test_a_file_that_cannot_be_written_costs_no_other_and_is_named(theirs, tmp_path):
    theirs("blocked", "x.txt", lambda comparison: "x")
    theirs("last", "y.txt", lambda comparison: "y")
    (tmp_path / "x.txt").mkdir()
    written = export(seven(), tmp_path)
    (problem,) = written.problems
    assert problem.startswith("The exporter 'blocked' of the-blocked 1.0 has no file: Cannot write")
    assert problem.endswith("'x.txt' is left out.")
    assert (tmp_path / "y.txt").read_text() == "y"


def test_a_file_of_llmbenchs_own_that_cannot_be_written_is_a_directory_at_fault(tmp_path):
    (tmp_path / "results.csv").mkdir()
    with pytest.raises(StoreError, match="Cannot write 'results"):
        export(seven(), tmp_path)


def test_what_an_exporter_does_to_the_comparison_is_no_matter_to_the_next(theirs, tmp_path):
    def spoil(comparison):
        for record in comparison.records:
            record.phases.clear()
        comparison.inputs.clear()
        comparison.header.configuration.clear()
        object.__setattr__(comparison, "records", ())
        return ""

    seen = []
    theirs("spoiling", "x.txt", spoil)
    theirs("next", "y.txt", lambda comparison: seen.append(comparison) or "y")
    whole = seven()
    assert export(whole, tmp_path).problems == []
    assert seen == [seven()] == [whole]


def test_a_file_that_two_plugins_write_is_nobodys_and_both_are_named(theirs, tmp_path, registry):
    theirs("one", "same.txt", lambda comparison: "one")
    theirs("two", "Same.txt", lambda comparison: "two")
    (problem,) = export(seven(), tmp_path).problems
    assert "'one' of the-one 1.0 and 'two' of the-two 1.0" in problem
    assert "same.txt" not in [p.name.lower() for p in tmp_path.iterdir()]
    assert registry.complaints()[0] in problem


def test_no_exporter_may_take_what_else_llmbench_keeps_there(tmp_path):
    store = Store(tmp_path)
    store.create()
    store.write_header(seven().header)
    kept = {p.name for p in tmp_path.iterdir() if not p.name.startswith(".")}
    assert kept == OURS
