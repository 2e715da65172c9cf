"""The log of a cell: what libraries say, each thing once."""

from __future__ import annotations

import logging

from llmbench.worker.__main__ import Once


def test_a_message_is_let_through_once(caplog) -> None:
    logger = logging.getLogger("a.library")
    caplog.handler.addFilter(Once())
    for name in ("bf16", "bf16", "fp32"):
        logger.warning("inputs will be cast from %s", name)
    said = [r.getMessage() for r in caplog.records if r.name == "a.library"]
    assert said == ["inputs will be cast from bf16", "inputs will be cast from fp32"]
