"""What a task that a plugin registers must be."""

from __future__ import annotations

import pytest

from llmbench.errors import PluginError
from llmbench.plugin.shape import checked
from llmbench.plugin.task import Example, Task


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Summarize the dialogue.", "has no place for an input: write {input}"),
        ("{input}\n\nAgain: {input}", "names {input} twice"),
    ],
)
def test_a_template_names_its_input_once(template: str, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        checked(Task("mine", "", template), Task)


@pytest.mark.parametrize("template", ["{input}", "{question}\n{context}", 'As JSON {"a": {input}}'])
def test_a_template_may_name_fields(template: str) -> None:
    assert checked(Task("mine", "", template), Task) == "mine"


def test_a_task_that_reads_rows_itself_needs_no_template() -> None:
    class Own(Task):
        def read(self, row: object) -> Example:
            return Example("", "", ("",), "")

    assert checked(Own("mine", "", ""), Task) == "mine"
