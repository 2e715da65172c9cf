"""For authors of plugins: `check` says whether one behaves, `run` compares briefly.

from llmbench.testing import check

def test_it_behaves(tmp_path):
    problems = [f.problem for f in check(["my-method"], tmp_path) if f.problem]
    assert problems == []
"""

from llmbench.testing.bench import run, tiny_model
from llmbench.testing.conformance import check
from llmbench.testing.module import Finding

__all__ = ["Finding", "check", "run", "tiny_model"]
