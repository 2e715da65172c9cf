from __future__ import annotations

import csv
import io
import json

from records import comparison, ended, ok, seven

from llmbench.export import export
from llmbench_exporters import table


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_csv_row_per_cell_in_the_order_of_the_plan():
    whole = seven()
    rows = read_csv(table.csv(whole))
    assert [row["strategy"] for row in rows] == [r.cell.composition for r in whole.records]


def test_what_was_not_measured_is_empty_and_never_zero():
    (row,) = read_csv(table.csv(comparison([ended("full", "oom", "no memory")])))
    assert (row["status"], row["reason"]) == ("oom", "no memory")
    assert row["rougeL"] == row["peak_memory_bytes"] == row["train_tokens_per_second"] == ""


def test_counts_stay_whole_numbers_also_where_some_are_missing():
    rows = read_csv(table.csv(comparison([ok("lora"), ended("full", "oom", "no memory")])))
    assert rows[0]["trainable_parameters"] == "39976960"
    assert rows[0]["artifact_bytes"] == "160000000"


def test_text_that_a_spreadsheet_would_run_is_made_harmless():
    (row,) = read_csv(table.csv(comparison([ended("full", "failed", "=1+1; -2")])))
    assert row["reason"] == "'=1+1; -2"


def test_text_with_commas_quotes_and_line_breaks_survives():
    reason = 'said "no", twice,\nand ended'
    (row,) = read_csv(table.csv(comparison([ended("full", "failed", reason)])))
    assert row["reason"] == reason


def test_json_holds_the_same_rows_with_types():
    rows = json.loads(table.json(comparison([ok("lora"), ended("full", "oom", "x")])))
    assert rows[0]["seed"] == 0
    assert isinstance(rows[0]["rougeL"], float)
    assert rows[1]["rougeL"] is None


def test_every_format_is_written_beside_the_records(tmp_path):
    written = export(seven(), tmp_path)
    assert {p.name for p in written.paths} >= {"results.csv", "results.json", "report.html"}
    assert all(p.parent == tmp_path and p.stat().st_size for p in written.paths)
