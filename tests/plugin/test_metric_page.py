"""The example of docs/metrics.md is a metric, and does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from llmbench.plugin import shape
from llmbench.plugin.metric import Metric
from llmbench.plugin.scoring import Scored
from llmbench.record.record import Example

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_metric_on_the_page_scores_and_is_declared():
    [source] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(source, str(PAGE), "exec"), names)
    kind = names["Length"]
    assert isinstance(kind, type)
    assert shape.checked(kind, Metric) == "length"
    example = Example(id="a", references=("one two",), prediction="one two three", new_tokens=3)
    made = kind()
    found = Scored((example,), {}).plus(
        "length", made, lambda: made.score(["one two three"], [["one two"]])
    )
    assert found.examples[0].scores == {"length_ratio": 1.5}
    assert found.measures[0].better == "neither"
