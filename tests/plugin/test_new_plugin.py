"""`llmbench plugins new`: what it writes, and what it refuses to."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmbench.cli import cli
from llmbench.command.plugins import KINDS
from llmbench.errors import ConfigError
from llmbench.testing import new


def test_there_is_a_template_of_each_kind_that_the_command_offers() -> None:
    assert set(KINDS) == set(new.HOOKS) == set(new.TRIES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_bears_its_name_in_all_places(registry, tmp_path: Path, kind: str) -> None:
    written = new.create("my-own", kind, tmp_path)
    names = {str(path.relative_to(tmp_path / "llmbench-my-own")) for path in written}
    assert {"pyproject.toml", "README.md", "llmbench_my_own/__init__.py"} < names
    assert "tests/test_my_own.py" in names
    texts = [path.read_text("utf-8") for path in written]
    assert not any("placeholder" in text.casefold() or "{kind}" in text for text in texts)
    project = tomllib.loads((tmp_path / "llmbench-my-own" / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"]["llmbench"] == {"my-own": "llmbench_my_own"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("My_Method", "cannot be called 'My_Method': take small letters"),
        ("../up", "cannot be called"),
        ("lora", "The strategy 'lora' is .*: take another name"),
        ("there", "is there already: take another name, or remove it"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(
    registry, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "llmbench-there").mkdir()
    with pytest.raises(ConfigError, match=said):
        new.create(name, "strategy", tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["llmbench-there"]


def test_the_prefix_of_distributions_is_written_once(registry, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["plugins", "new", "llmbench-mine", "--kind", "probe"])
    assert done.exit_code == 0
    assert "llmbench-mine/llmbench_mine/__init__.py" in done.output.splitlines()
