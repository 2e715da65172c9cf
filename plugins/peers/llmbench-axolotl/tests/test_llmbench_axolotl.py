"""Whether the plugin does what llmbench expects of it; most of it can be seen on a GPU alone."""

from llmbench.testing import check


def test_it_behaves(tmp_path):
    problems = [finding.problem for finding in check(["axolotl"], tmp_path) if finding.problem]
    assert problems == []
