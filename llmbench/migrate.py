"""Files of older versions made readable: a step from each schema version to the next.

A step takes and gives the plain content of a record or of `comparison.json`, before it is
validated. A version that was released keeps its step, and a frozen sample in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llmbench.record import SCHEMA_VERSION

Content = dict[str, Any]


def from_1(content: Content) -> Content:
    """Version 2 only added fields, each with a default that means 'not measured'."""
    return content


def from_2(content: Content) -> Content:
    """Version 3 has several precisions in bf16; the only one before was `bf16-true`."""
    return {name: _renamed(value) for name, value in content.items()}


def _renamed(value: Any) -> Any:
    """The value with the precision in every dictionary of settings under its new name."""
    if isinstance(value, dict):
        found = {name: _renamed(held) for name, held in value.items()}
        if found.get("precision") == "bf16":
            found["precision"] = "bf16-true"
        return found
    return [_renamed(held) for held in value] if isinstance(value, list) else value


STEPS: dict[int, Callable[[Content], Content]] = {1: from_1, 2: from_2}
"""By the version that they start from."""


def migrate(content: Content) -> Content:
    """The content as the present version has it."""
    for version in range(content["schema_version"], SCHEMA_VERSION):
        content = {**STEPS[version](content), "schema_version": version + 1}
    return content
