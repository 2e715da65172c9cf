"""Whether the plugin does what llmbench expects of it."""

from llmbench.testing import check


def test_it_behaves(tmp_path):
    problems = [finding.problem for finding in check(["torchtune"], tmp_path) if finding.problem]
    assert problems == []
