from __future__ import annotations

import pytest
from records import comparison, ok

from llmbench.analysis.judging import stand
from llmbench.record.record import Compiled
from llmbench.wording.scope import scope


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"graphs": 4}, "`lora` compiled code for 12.0 s as it trained (4 graphs, 1 break)"),
        ({"recordings": 2}, "`lora` recorded steps for 12.0 s as it trained (2 recordings)"),
        (
            {"graphs": 4, "recordings": 2},
            "`lora` compiled code and recorded steps for 12.0 s as it trained "
            "(4 graphs, 1 break, 2 recordings)",
        ),
    ],
)
def test_what_was_made_ready_is_said_with_its_time(made, said):
    compiled = Compiled(**{"seconds": 12.0, "graphs": 0, "breaks": 1} | made)
    records = [ok("lora", 0.6, 5.0, compiled=compiled), ok("full", 0.2, 5.0)]
    texts = [text for _, text in scope(stand(comparison(records)))]
    assert any(text.startswith(said) for text in texts)
