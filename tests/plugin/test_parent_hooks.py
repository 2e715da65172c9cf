"""Listeners, sections and commands of plugins: what they are told, and what a failure costs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import click
import pytest
import records
from click.testing import CliRunner

from llmbench import cli
from llmbench.errors import UserError
from llmbench.output.html.page import render
from llmbench.plugin.catalogue import Plugin, Registry
from llmbench.plugin.command import RESERVED, Command
from llmbench.plugin.listener import Listener
from llmbench.plugin.section import Content, Section
from llmbench.record.events import Notice
from llmbench.run.hearing import Hearing
from llmbench.testing.bench import Silent

THEIRS = Plugin("theirs", "their-package 1.0")
HOSTILE = "<script>alert(1)</script>"
RECORD = records.ended("lora", "failed", "it went wrong")


class Kept(Listener):
    id, summary = "kept", "keeps what it hears"
    heard: list[Any] = []  # noqa: RUF012

    def cell(self, cell):
        self.heard.append(cell)

    def event(self, event):
        self.heard.append(event.reason)

    def finish(self, directory):
        self.heard.append(directory)


class Failing(Listener):
    id, summary = "failing", "fails"

    def event(self, event):
        raise ValueError("no")


def test_a_listener_is_told_what_it_wants_and_one_that_fails_nothing_more(registry: Registry):
    Kept.heard = []
    for kind in (Failing, Kept):
        registry.add("register_listeners", kind.id, kind, THEIRS)
    hearing = Hearing(Silent())
    for reason in ("one", "two"):
        hearing.event(Notice(reason=reason))
    hearing.cell(records.cell("lora"))
    hearing.finish(records.comparison([RECORD]), Path("there"))
    assert Kept.heard == ["one", "two", records.cell("lora"), Path("there")]
    assert hearing.problems == [
        "The listener 'failing' of their-package 1.0 failed in event (ValueError: no). "
        "It was told nothing after that."
    ]


def page(registry: Registry, content) -> str:
    registry.add("register_sections", "mine", Section("mine", "", HOSTILE, content), THEIRS)
    return render(records.comparison([RECORD]))


class Markup(str):
    """Says that it is HTML already."""

    def __html__(self):
        return self


def test_what_a_section_holds_is_text_whatever_it_says_it_is(registry: Registry):
    cells = (Markup(HOSTILE), HOSTILE)
    content = Content(paragraphs=(Markup(HOSTILE),), header=cells, rows=(cells,))
    made = page(registry, lambda comparison: content)
    assert HOSTILE not in made
    assert made.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda comparison: 1 / 0, "ZeroDivisionError"),
        (lambda comparison: "text", "it returned str, not a Content or None"),
        (lambda comparison: Content(header=("a",), rows=(("1", "2"),)), "2 texts under 1 headings"),
    ],
)
def test_a_section_that_fails_says_so_in_its_place(registry: Registry, content, said):
    made = page(registry, content)
    assert "This section is left out: The section" in made
    assert said in made


def test_a_section_with_nothing_to_say_is_not_there(registry: Registry):
    assert "section-mine" not in page(registry, lambda comparison: None)


@click.command("theirs")
@click.argument("how")
def theirs(how: str) -> None:
    if how == "raise":
        raise ValueError("no")
    raise UserError("Nothing to be done: try later.")


def test_a_command_is_a_plugins_own_and_its_failure_names_it(registry: Registry, monkeypatch):
    point = EntryPoint("theirs", "their_module", "llmbench")
    monkeypatch.setattr(cli, "entry_points", lambda group: [point])
    registry.add("register_commands", "theirs", Command("theirs", "", theirs), THEIRS)
    run = CliRunner().invoke
    assert "theirs" in run(cli.cli, ["--help"]).output
    assert "of their-package 1.0 failed in running" in str(
        run(cli.cli, ["theirs", "raise"]).exception
    )
    assert "try later" in str(run(cli.cli, ["theirs", "refuse"]).exception)
    assert run(cli.cli, ["theirs"]).exit_code == 2


def test_no_plugin_is_imported_for_the_help_where_none_but_llmbenchs_own_are_there():
    code = "import sys\nfrom llmbench import cli\n"
    code += "print(cli.of_plugins(), any(m.startswith('llmbench_') for m in sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["{}", "False"]


def test_llmbenchs_own_commands_cannot_be_taken():
    assert set(cli.cli.commands) < RESERVED
