"""A comparison in every format, through the command and as text."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from records import cell, comparison, ended, ok, seven, tried, validated

from llmbench.cli import main
from llmbench.command.report import formats
from llmbench.output import markdown as md
from llmbench.plugin import registry as installed
from llmbench.plugin.catalogue import Registry
from llmbench.record.comparison import Comparison
from llmbench.storage.store import Store

Run = Callable[..., tuple[int, str, str]]
DEFAULT_FILES = {"report.html", "results.csv", "results.json"}
NASTY = ("a|b", "`x`", "\\", "a\\|b", "x\ny", "<b>&", "_x_ *y* [z](u)", "# h", "1. i", "@me", "")


def save(folder: Path, held: Comparison) -> str:
    store = Store(folder)
    store.create()
    store.write_header(held.header)
    for record in held.records:
        store.write_record(record)
    rows = [{"id": name, "input": text} for name, text in held.inputs.items()]
    (store.data / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return save(tmp_path / "one", seven())


@pytest.fixture
def other(tmp_path: Path) -> str:
    made = [ok("lora", cell=cell("lora", seed=1), tokens_per_second=12000)]
    return save(tmp_path / "two", comparison(made, name="two"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path) -> Run:
    """Runs `llmbench report` in an empty directory: exit status, output, errors."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["llmbench", "report", *args])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return call


def render(name: str, held: Comparison, registry: Registry) -> str:
    return registry.exporters.get(name).render(held)


def files(folder: Path | str) -> set[str]:
    return {p.name for p in Path(folder).iterdir() if p.is_file()}


def test_a_directory_alone_gets_its_default_files(run, directory):
    status, out, _ = run(directory)
    assert status == 0
    assert {Path(line).name for line in out.splitlines()} == DEFAULT_FILES
    assert files(directory) == {"comparison.json", *DEFAULT_FILES}


@pytest.mark.parametrize("form", ["markdown", "csv", "json", "latex"])
def test_text_goes_to_standard_output_and_no_file_is_written(run, directory, registry, form):
    status, out, err = run(directory, "--format", form)
    assert (status, err) == (0, "")
    assert out == render(form, Store(Path(directory)).read(), registry)
    assert files(directory) == {"comparison.json"}
    assert not files(".")


def test_html_goes_to_its_file_unless_asked_for_on_standard_output(run, directory):
    status, out, _ = run(directory, "--format", "html")
    assert (status, out) == (0, f"{Path(directory) / 'report.html'}\n")
    _, out, _ = run(directory, "--format", "html", "--output", "-")
    assert out == (Path(directory) / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("t.md", "| Method"),
        ("t.tex", "% Needs"),
        ("t.json", "["),
        ("t.csv", "strategy,"),
        ("t.html", "<!doctype html>"),
    ],
)
def test_the_suffix_of_the_file_stands_in_for_the_format(run, directory, name, start):
    assert run(directory, "--output", name)[:2] == (0, f"{name}\n")
    assert Path(name).read_text("utf-8").lower().startswith(start.lower())


def test_the_format_wins_over_the_suffix(run, directory):
    run(directory, "--format", "json", "--output", "table.txt")
    assert json.loads(Path("table.txt").read_text("utf-8"))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--format", "latx"], "did you mean 'latex'"),
        (["--output", "table.xls"], "say which with --format"),
        (["--output", "/proc/nowhere/x.md"], "Cannot write"),
    ],
)
def test_a_mistake_is_one_sentence(run, directory, args, said):
    status, out, err = run(directory, *args)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_several_directories_are_one_report_here_that_says_what_differs(run, directory, other):
    status, out, err = run(directory, other)
    assert (status, out) == (0, "report.html\n")
    assert "Note: Merged from example and two." in err
    assert "Merged from example and two." in Path("report.html").read_text("utf-8")
    assert files(directory) == files(other) == {"comparison.json"}


def test_several_directories_make_one_table(run, directory, other):
    _, out, _ = run(directory, other, "--format", "json")
    assert [row["strategy"] for row in json.loads(out)].count("lora") == 2
    assert len(json.loads(out)) == len(seven().records) + 1


def test_the_same_directory_twice_is_one(run, directory):
    _, out, err = run(directory, f"{directory}/../one", "--format", "json")
    assert len(json.loads(out)) == len(seven().records)
    assert err == ""


def test_the_shell_completes_the_formats_that_are_installed():
    found = [item.value for item in formats(None, None, "")]  # type: ignore[arg-type]
    assert found == list(installed().exporters.items())
    assert [i.value for i in formats(None, None, "mark")] == ["markdown"]  # type: ignore[arg-type]


def rows(text: str) -> dict[str, list[str]]:
    """The table's rows by the strategy that they are of."""
    lines = [re.split(r"(?<!\\)\|", x)[1:-1] for x in text.splitlines() if x.startswith("|")]
    return {cells[0].strip(" `"): [c.strip() for c in cells[1:]] for cells in lines}


def test_markdown_has_a_row_per_cell_with_the_main_figures(registry):
    found = rows(render("markdown", seven(), registry))
    assert found["Method"][:3] == ["ROUGE-L", "Peak memory", "Training tokens/s"]
    assert found["Method"][3:] == ["Trained weights", "Status"]
    assert len({len(cells) for cells in found.values()}) == 1
    quality, memory, rate, trainable, status = found["qlora"]
    assert re.fullmatch(r"0\.615 \[0\.\d{3}, 0\.\d{3}\]", quality)
    assert (memory, trainable, status) == ("**5.1 GiB**", "40M (0.59 %)", "ok")
    assert re.fullmatch(r"9,\d{3} \[9,\d{3}, 9,\d{3}\]", rate)
    assert found["base"][1:] == ["", "", "", "ok"]


def test_markdown_marks_the_best_and_all_that_tie_with_it_alike(registry):
    found = rows(render("markdown", seven(), registry))
    bold = {name for name, cells in found.items() if cells[0].startswith("**")}
    assert {"full", "lora"} < bold
    assert not {"base", "lora+8-bit"} & bold


def test_markdown_gives_the_answer_and_what_was_run(registry):
    text = render("markdown", seven(), registry)
    assert "\n**Try `lora` first, as far as one seed can tell.** Its ROUGE-L is " in text
    assert "llama-2-7b, trained on train.jsonl, evaluated on 24 examples of eval.jsonl" in text
    assert "NVIDIA H200, llmbench 0.1.0, torch 2.13.0" in text


def test_markdown_tells_how_a_cell_failed_below_its_row(registry):
    held = comparison([ok("lora"), ended("full", "oom", "No memory: use `lora`.")])
    text = render("markdown", held, registry)
    assert rows(text)["full"][-1] == "oom in train"
    assert "- `full`: No memory: use `lora`." in text


def test_markdown_marks_a_cell_that_did_not_learn_and_says_why(registry):
    made = [validated(ok("full", 0.2), 2.51, 2.5), validated(ok("lora", 0.4), 2.51, 1.9)]
    text = render("markdown", comparison([*made, tried("lora", 1e-3, 2.0)]), registry)
    found = rows(text)
    assert (found["full"][-1], found["lora"][-1]) == ("did not learn", "ok")
    assert "- `full`: Its validation loss went from 2.510 to 2.500, and its learning rate" in text
    assert "**No verdict on methods: only `lora` learnt.**" in text
    assert found.keys() == {"Method", ":---", "full", "lora"}


def test_a_host_s_memory_is_not_called_a_gpu_s(registry):
    held = comparison([ok("full", device="cpu"), ok("lora", device="cpu")])
    for form in ("markdown", "latex"):
        text = render(form, held, registry)
        assert "RAM" in text
        assert "Peak memory" not in text


def test_without_quality_there_is_no_column_of_it(registry):
    held = comparison([ok("full", None), ok("lora", None)])
    assert "ROUGE" not in "".join(rows(render("markdown", held, registry))["Method"])


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "json"])
@pytest.mark.parametrize("held", [comparison([ok("lora")]), comparison([ended("x", "failed", "")])])
def test_the_same_records_give_the_same_text(registry, held, form):
    assert render(form, held, registry) == render(form, held, registry) != ""


@pytest.mark.parametrize("text", NASTY)
def test_no_name_breaks_the_markdown_table(registry, text):
    composition = f"lora+{text}"
    made = cell(composition, id="x").model_copy(update={"composition": composition})
    held = comparison([ok("full"), ended("y", "failed", text, cell=made)], notices=(text,))
    table = [x for x in render("markdown", held, registry).splitlines() if x.startswith("| ")]
    assert len(table) == 4
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {7}


def test_markdown_escapes_what_would_be_markup():
    assert md.escape("a|b_c *d* <e> & [f]\n# g") == r"a\|b\_c \*d\* &lt;e&gt; &amp; \[f\] \# g"
    assert md.escape("- no list") == r"\- no list"
    assert md.escape("1. no list") == r"1\. no list"
    assert md.code("lora+4-bit") == "`lora+4-bit`"
    assert md.code("a|`b`_c_<d>") == "<code>a&#124;&#96;b&#96;&#95;c&#95;&#60;d&#62;</code>"
    assert md.prose("use `lora|x`, not <b>") == "use <code>lora&#124;x</code>, not &lt;b&gt;"


def test_latex_is_a_booktabs_table_with_a_row_per_cell(registry):
    text = render("latex", seven(), registry)
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{lrrrrl}"):
        assert part in text
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == len(seven().records)
    assert all(line.count(" & ") == 5 and line.endswith(r"\\") for line in body)
    assert r"\textbf{5.1 GiB}" in text
    assert text.count("{") == text.count("}")


def test_latex_escapes_what_would_be_a_command(registry):
    nasty = r"\input{x} 100% $a_b^c$ & #1 ~ <d> {e"
    made = cell("lora", id="x").model_copy(update={"composition": f"lora+{nasty}\n"})
    held = comparison([ended("y", "failed", "No.", cell=made)])
    row = next(x for x in render("latex", held, registry).splitlines() if "textbackslash" in x)
    plain = re.sub(r"\\(text\w+\{\}|[{}$&#%_])", "", row.removesuffix(r"\\")).replace(" & ", "")
    assert not re.search(r"[$#%_^~<>\\&]", plain.replace(r"\texttt{", ""))
    assert r"\input" not in row
