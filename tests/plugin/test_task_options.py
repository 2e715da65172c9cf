"""The options of a task: typed in brackets, declared by fields, kept by records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from llmbench import plugin
from llmbench.errors import ConfigError, DataError, PluginError
from llmbench.plugin import named
from llmbench.plugin.catalogue import Entry, Plugin
from llmbench.plugin.shape import checked
from llmbench.plugin.task import Example, Task
from llmbench.source import data

Add = Callable[[Task], None]


@dataclass(frozen=True)
class Sums(Task):
    """Numbers to their sum."""

    base: int = 10
    order: Literal["up", "down"] = "up"

    def __post_init__(self) -> None:
        if self.base == 2 and self.order == "down":
            raise ValueError("binary numbers go up.")

    def read(self, row: Mapping[str, Any]) -> Example:
        return Example("", str(row["numbers"]), (str(row["sum"]),), "")


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Add:
    tasks = plugin.registry().tasks
    source = Plugin("mine", "mine 1")

    def add(task: Task) -> None:
        monkeypatch.setitem(tasks.entries, task.id, Entry(task, source))

    return add


def test_fields_of_a_class_are_options_with_the_types_that_they_declare(added: Add) -> None:
    added(Sums("sums", "", "{numbers}", base=8))
    assert named.task("sums").base == 8
    asked = named.task("Sums(order=down,base=16)")
    assert (asked.base, asked.order, asked.id) == (16, "down", "sums")


def test_what_records_call_a_task_is_the_same_however_it_is_typed(added: Add) -> None:
    added(Sums("sums", "", "{numbers}"))
    assert named.spelled("sums(order=down, base=10)") == "sums(order=down)"
    assert named.spelled("sums(order=down,base=8)") == "sums(base=8,order=down)"
    assert named.spelled("sums(order=up)") == "sums"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sums(bass=8)", "'sums' has no option 'bass': did you mean 'base'?"),
        ("sums(base=ten)", r"'sums\(base=ten\)' cannot be: give a whole number\."),
        ("sums(order=sideways)", "cannot be: give 'up' or 'down'"),
        ("sums(base=2,order=down)", "cannot be: binary numbers go up"),
        ("sums(base=2,base=3)", "'base' is given twice"),
        ("sums:ten", "'sums' takes no argument: write its options in brackets"),
        ("sum(base=2)", "Unknown task 'sum': did you mean 'sums'"),
        ("summarization(base=2)", "'summarization' has no option 'base': it takes none"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_a_sentence(
    added: Add, text: str, said: str
) -> None:
    added(Sums("sums", "", "{numbers}"))
    with pytest.raises(ConfigError, match=said):
        named.task(text)


def test_a_task_that_reads_rows_itself_takes_no_names_of_fields(tmp_path, added: Add) -> None:
    file = tmp_path / "sums.jsonl"
    file.write_text('{"numbers": "1 2", "sum": 3}\n')
    task = Sums("sums", "", "")
    assert data.read(file, task).examples[0].references == ("3",)
    with pytest.raises(DataError, match="'sums' reads whole rows, whatever --input-field"):
        data.read(file, task, "numbers")


def test_defaults_of_a_task_are_settings() -> None:
    wrong = Task("mine", "", "{input}", defaults={"trust_remote_code": True})
    with pytest.raises(PluginError, match="defaults name 'trust_remote_code': a task may have"):
        checked(wrong, Task)
