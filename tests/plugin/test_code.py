"""A plugin's code is part of what its results are of."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from llmbench.plugin import code
from llmbench_strategies.lora import Lora

STRATEGY = """
from llmbench.plugin.strategy import Strategy
class Mine(Strategy):
    id, summary, group = "mine", "", "adaptation"
"""


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Writes files, imports `mine` from them anew, and takes the digest of its strategy."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def taken(**files: str) -> str:
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        for name in [n for n in sys.modules if n.partition(".")[0] == "mine"]:
            del sys.modules[name]
        code._files.cache_clear()
        code._content.cache_clear()
        importlib.invalidate_caches()
        return code.digest(importlib.import_module("mine").Mine)

    yield taken
    for name in [n for n in sys.modules if n.partition(".")[0] == "mine"]:
        del sys.modules[name]


def test_a_strategy_that_is_edited_is_another_one_though_its_version_is_the_same(digest):
    before = digest(mine=STRATEGY)
    assert digest(mine=STRATEGY) == before
    assert digest(mine=STRATEGY + "    trains = True\n") != before


def test_a_helper_in_the_same_package_counts_as_well(digest, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text(STRATEGY)
    before = digest(mine__helper="RATE = 1\n")
    assert digest(mine__helper="RATE = 2\n") != before


def test_llmbench_s_own_harness_is_told_by_its_version_and_its_plugins_by_their_code():
    from llmbench.plugin.strategy import Strategy

    assert code.digest(Strategy) == ""
    assert len(code.digest(Lora)) == code.DIGITS
    assert code.digest(Lora) == code.digest(Lora())
