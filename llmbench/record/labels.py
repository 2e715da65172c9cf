"""Splitting lists and compositions, whose options in brackets have commas and pluses too."""

from __future__ import annotations

import re


def split_list(text: str) -> list[str]:
    """Split at the commas that are not inside brackets; empty parts are dropped."""
    parts = re.split(r",(?![^()]*\))", text)
    return [p.strip() for p in parts if p.strip()]


def split_members(text: str) -> list[str]:
    """The labels of a composition's members: `lora(r=64)` and `4-bit` of `lora(r=64)+4-bit`."""
    return re.split(r"\+(?![^()]*\))", text)
