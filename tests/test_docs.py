"""The documents say what the code does, and the README's commands are the ones that CI runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import docs
from llmbench.cli import cli
from llmbench.plugin import hookspecs

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("document", docs.GENERATED, ids=lambda p: p.name)
def test_the_generated_parts_are_what_the_code_says(document: Path, registry) -> None:
    text = document.read_text("utf-8")
    assert docs.PART.search(text)
    assert docs.updated(text, registry) == text, "run: python tests/docs.py"


def test_every_command_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference.md").read_text("utf-8")
    assert all(f"## llmbench {name}\n" in text for name in cli.commands)


def test_ci_runs_the_second_command_of_the_readme() -> None:
    second = next(line for line in README.splitlines() if line.endswith("&& tox"))
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert second.rpartition("&& ")[2] in script
    assert second.partition(" && ")[0] in script


@pytest.mark.parametrize(
    "hook", [n for n in vars(hookspecs) if n.startswith("register_")], ids=lambda n: n
)
def test_every_hook_is_in_the_guide_for_plugins(hook: str) -> None:
    assert f"`{hook}`" in (ROOT / "plugins" / "README.md").read_text("utf-8")


DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "plugins" / "README.md"]


@pytest.mark.parametrize(
    "document",
    [*DOCUMENTS, *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_links_to_files_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text("utf-8")):
        assert (document.parent / target).exists(), target
