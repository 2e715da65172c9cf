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


STEPS: dict[int, Callable[[Content], Content]] = {1: from_1}
"""By the version that they start from."""


def migrate(content: Content) -> Content:
    """The content as the present version has it."""
    for version in range(content["schema_version"], SCHEMA_VERSION):
        content = {**STEPS[version](content), "schema_version": version + 1}
    return content
