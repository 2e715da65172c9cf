"""Commands that read a comparison from a place that fsspec reaches."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from records import comparison, ok, seven

from llmbench.__main__ import main
from llmbench.storage.place import Place
from llmbench.storage.store import Store

ONE, TWO = "memory://team/one", "memory://team/two"


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path):
    """Two comparisons in memory, which stand where they would on S3."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    MemoryFileSystem.store.clear()
    for url, held in ((ONE, seven()), (TWO, comparison([ok("lora")], name="two"))):
        store = Store.at(url)
        store.create()
        store.write_header(held.header)
        for record in held.records:
            store.write_record(record)


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    def call(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["llmbench", *args])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return call


def there() -> set[str]:
    return {n.removeprefix("/team/one/") for n in MemoryFileSystem.store if "/one/" in n}


def test_a_report_is_rendered_where_its_records_are(run):
    status, out, err = run("report", ONE)
    assert (status, err) == (0, "")
    assert f"{ONE}/report.html" in out.split()
    assert {"report.html", "results.csv", "results.json"} < there()


def test_a_table_is_printed_and_nothing_is_written(run):
    before = there()
    status, out, _ = run("report", ONE, "--format", "markdown")
    assert status == 0
    assert "lora" in out
    assert there() == before


def test_several_places_are_merged_into_a_file_here(run, tmp_path):
    assert run("report", ONE, TWO, "--output", "both.html")[0] == 0
    assert (tmp_path / "both.html").stat().st_size > 1000


def test_a_report_goes_to_no_file_at_a_url(run, tmp_path):
    status, _, err = run("report", ONE, "--output", "memory://team/one.html")
    assert status == 2
    assert "a file of this machine" in err
    assert not (tmp_path / "memory:").exists()


def test_two_places_are_held_against_each_other(run):
    status, out, _ = run("diff", ONE, TWO, "--format", "json")
    assert status == 0
    assert json.loads(out)


def test_predictions_are_scored_where_they_are(run):
    status, out, _ = run("score", TWO, "--metrics", "chrf")
    assert status == 0
    assert f"{TWO}/report.html" in out.split()
    status, out, _ = run("report", TWO, "--format", "json")
    assert "chrf" in out


def test_what_was_compared_below_a_place_is_listed(run):
    listed = json.loads(run("list", "runs", "memory://team", "--json")[1])
    assert {r["directory"] for r in listed} == {ONE, TWO}
    assert run("list", "runs", "memory://nobody")[1].splitlines()[1:] == []


def test_a_place_without_a_comparison_is_named(run):
    assert "'memory://team' holds no comparison" in run("report", "memory://team")[2]
    status, _, err = run("report", "memory://team/three")
    assert status == 2
    assert "'memory://team/three' holds no comparison" in err


@pytest.mark.parametrize("command", [["report"], ["score", "--metrics", "chrf"], ["list", "runs"]])
def test_a_place_that_nothing_reaches_is_refused_in_one_sentence(run, command):
    status, _, err = run(*command, "nowhere://team/one")
    assert status == 2
    assert "'nowhere://team/one' cannot be reached" in err
    assert "Traceback" not in err


def test_a_name_in_a_listing_leads_to_no_file_outside(monkeypatch, tmp_path):
    names = ["x/../../../comparison.json", "/comparison.json", ".hidden/comparison.json"]
    wide = Place("memory://team", tmp_path / "within" / "copy")
    monkeypatch.setattr(MemoryFileSystem, "find", lambda self, path: [f"/team/{n}" for n in names])
    wide.tree()
    assert list(tmp_path.rglob("comparison.json*")) == [
        *(tmp_path / "cache").rglob("comparison.json")
    ]


def test_fsspec_is_imported_for_a_url_alone():
    code = (
        "import sys; import llmbench.run.comparison; from llmbench.storage.store import Store; "
        "Store.at('reports/one'); sys.exit('fsspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
