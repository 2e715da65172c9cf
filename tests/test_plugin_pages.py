"""docs/plugins/ has a page for each hook, says what the code says, and leaves nothing unsaid."""

from __future__ import annotations

import inspect

import plugin_pages
import pytest

from llmbench.plugin import hookspecs
from llmbench.plugin.shape import KINDS

HOOKS = [
    name
    for name, value in vars(hookspecs).items()
    if inspect.isfunction(value) and hasattr(value, "llmbench_spec")
]


def test_the_pages_are_what_the_code_says() -> None:
    kept = {path.name: path.read_text("utf-8") for path in plugin_pages.PAGES.glob("*.md")}
    assert kept == plugin_pages.pages(), "run: python tests/docs.py"


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_page_with_an_example(hook: str) -> None:
    text = plugin_pages.pages()[f"{plugin_pages.short(hook)}.md"]
    assert plugin_pages.plain(plugin_pages.document(hook)) in text
    assert "## Example" in text


@pytest.mark.parametrize("hook", HOOKS)
def test_all_that_a_plugin_may_declare_or_do_is_explained(hook: str) -> None:
    attributes, methods = plugin_pages.parts(KINDS[hook])
    assert [part.text for part in (*attributes, *methods) if not part.explained.strip()] == []
