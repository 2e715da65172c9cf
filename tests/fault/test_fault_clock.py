"""A clock that runs backwards."""

from __future__ import annotations

from llmbench.record.record import PHASES


def test_a_clock_that_is_set_back_makes_no_duration_wrong(comparison, aftermath, often):
    launcher = often("fork", "quick")
    made = comparison("--launcher", launcher, "--strategies", "full", "--seeds", "2")
    ended = made.run(CLOCK="backwards", QUICK_SECONDS="0.05")
    records = made.records().values()
    assert {r.status for r in records} == {"ok"}
    for record in records:
        assert record.start_seconds > 0
        assert record.seconds > 0
        assert set(PHASES[:-1]) <= set(record.phases)
        assert all(phase.seconds > 0 for phase in record.phases.values())
        assert all(s.seconds > 0 for s in record.steps)
    assert all(
        a["seconds"] <= b["seconds"] for a, b in zip(ended.events, ended.events[1:], strict=False)
    )
    found = aftermath("a clock that runs backwards")
    found.look(made, ended)
    found.run_again(made, CLOCK="backwards")
