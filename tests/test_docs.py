"""The README says what the code does, and its commands are the ones that CI runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import docs
from llmbench import hookspecs

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_generated_parts_are_what_the_code_says(registry) -> None:
    assert docs.PART.search(README)
    assert docs.updated(README, registry) == README, "run: python tests/docs.py"


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


@pytest.mark.parametrize(
    "document",
    ["README.md", "plugins/README.md", "CHANGELOG.md", "docs/figures.md", "docs/report.md"],
)
def test_links_to_files_lead_somewhere(document: str) -> None:
    import re

    folder = (ROOT / document).parent
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / document).read_text("utf-8")):
        assert (folder / target).exists(), target
