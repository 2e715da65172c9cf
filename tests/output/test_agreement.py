"""The page, the terminal, CSV, JSON, TSV's rows, Markdown and LaTeX give the same figures."""

from __future__ import annotations

import csv
import io
import json
import re

import records
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from llmbench.analysis.judging import stand
from llmbench.output import summary
from llmbench.output.brief import brief
from llmbench.output.html.page import render
from llmbench.output.latex import escape, latex
from llmbench.output.markdown import markdown
from llmbench.output.methods import shown_figures
from llmbench.output.terminal.tables import table
from llmbench.record.comparison import Comparison
from llmbench.record.record import Record
from llmbench.wording.figures import figure_value

NAMES = ("base", "full", "lora", "qlora", "lora(r=64)+4-bit", "full+gradient-checkpointing")
MAIN = ("peak_memory_bytes", "train_tokens_per_second", "trainable_parameters")


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    """A few methods with one to three seeds, of which some may not have ended well."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    seeds = draw(st.integers(1, 3))
    device = draw(st.sampled_from(["cuda", "cpu"]))
    made: list[Record] = []
    for name in names:
        quality = draw(st.floats(0, 1))
        memory = draw(st.floats(0.01, 120))
        rate = draw(st.floats(0.5, 200_000))
        for seed in range(seeds):
            cell = records.cell(name, seed)
            if draw(st.integers(0, 7)) == 0:
                ran = records.environment(device)
                made.append(records.ended(name, "oom", "No room.", cell=cell, environment=ran))
            else:
                more = rate * (1 + seed / 50)
                made.append(records.ok(name, quality, memory, more, device, cell=cell))
    return records.comparison(made)


@settings(max_examples=6, deadline=None)
@given(comparisons())
def test_every_output_gives_the_same_figures(held: Comparison) -> None:
    standing = stand(held)
    wanted = [*([standing.score.id] if standing.score else []), *MAIN]
    known = {figure.id: figure for figure in shown_figures(standing)}
    rows = summary.rows(standing)
    of_csv = list(csv.DictReader(io.StringIO(summary.csv(held))))
    assert json.loads(summary.json(held)) == json.loads(json.dumps(rows))
    short, html = brief(held), render(held)
    pages = re.findall(r"<tr data-cell.*?</tr>", html, re.DOTALL)
    out = io.StringIO()
    Console(file=out, width=200).print(table(short, 200))
    count = len(rows)
    shown = out.getvalue().splitlines()[1 : count + 1]
    of_markdown = markdown(held).splitlines()[2 : count + 2]
    of_latex = latex(held).split("\\midrule\n")[1].splitlines()[:count]
    lines = zip(rows, of_csv, short.lines, pages, shown, of_markdown, of_latex, strict=True)
    for row, plain, line, page, printed, marked, typeset in lines:
        for name, value in zip(wanted, line.figures, strict=True):
            number = row[name]
            assert plain[name] == ("" if number is None else str(number))
            if number is None:
                assert value.text == ""
                continue
            text = figure_value(known[name], number)
            assert value.text == text.removesuffix(" tok/s")
            assert f'data-v="{number:.6g}"' in page
            assert re.search(f">{re.escape(text)} ?<", page)
            assert value.text.replace("\N{MINUS SIGN}", "-") in printed
            assert value.text in marked
            assert escape(value.text) in typeset
            if value.detail.startswith("["):
                assert f"<small>{value.detail}</small>" in page
                assert value.detail in marked
            if value.spread:
                assert rf"$\pm$ {escape(value.spread)}" in typeset
                assert row[f"{name}_n"] > 1
            if row[f"{name}_low"] is not None:
                assert row[f"{name}_low"] <= number <= row[f"{name}_high"]
    assert plainly(short.answer[0]) in plainly(" ".join(html.partition("<h1>")[2].split()))
    assert plainly(short.answer[0]) in plainly(markdown(held))


def plainly(text: str) -> str:
    """Letters, digits and signs alone, without markup and the stops of sentences."""
    return re.sub(r"<[^>]*>|[`*\\.\s]", "", text.partition("</h1>")[0])
