"""What is missing of a comparison makes its answer more careful, never less."""

from __future__ import annotations

from functools import cache

import records
from hypothesis import given, settings
from hypothesis import strategies as st

from llmbench.analysis.judging import stand
from llmbench.record.record import Record
from llmbench.wording.answer import answer
from llmbench.wording.notes import notes

METHODS = {"full": 0.60, "lora": 0.58, "qlora": 0.45}
KEPT = st.fixed_dictionaries(
    {name: st.sets(st.sampled_from((0, 1, 2)), min_size=1) for name in METHODS}
)


@cache
def made(name: str, seed: int) -> Record:
    return records.ok(name, METHODS[name] + 0.004 * seed, cell=records.cell(name, seed))


def cautious(kept: dict[str, set[int]], interrupted: bool = False) -> tuple[bool, bool]:
    """Whether a warning says that seeds are too few, and whether the headline has a limit.

    What is not kept of the three seeds is missing, or was interrupted.
    """
    held = [made(n, s) for n, seeds in kept.items() for s in sorted(seeds)]
    if interrupted:
        held += [
            records.ended(n, "interrupted", "Ctrl-C.", cell=records.cell(n, s))
            for n, seeds in kept.items()
            for s in sorted({0, 1, 2} - seeds)
        ]
    found = records.comparison(held)
    standing = stand(found)
    said = answer(standing)
    warned = any(
        n.kind == "warning"
        and (n.text.startswith("One seed") or "fewer than two seeds in common" in n.text)
        for n in notes(found, standing)
    )
    return warned, bool(said.limit) or not said.headline.startswith("Pick")


@settings(max_examples=60, deadline=None)
@given(KEPT, KEPT, st.booleans(), st.booleans())
def test_removing_records_never_removes_a_caution(kept, others, was, is_now):
    """Whether what is gone is missing or was interrupted, before and after."""
    fewer = {name: held & others[name] or held for name, held in kept.items()}
    before, after = cautious(kept, was), cautious(fewer, is_now)
    assert after[0] or not before[0]
    assert all(after) or not after[0]


def test_an_interruption_after_the_second_method_leaves_the_others_undecided():
    """Seed 0 of all and seed 1 of two: nothing is known of the third but one training."""
    kept = {"full": {0, 1}, "lora": {0, 1}, "qlora": {0}}
    assert cautious(kept) == (True, True)
    found = stand(records.comparison([made(n, s) for n, held in kept.items() for s in held]))
    assert [variant.cell.composition for variant in found.lone] == ["qlora"]
    assert found.word(found.lone[0]) == "undecided"
    assert "`qlora`" in answer(found).limit


def test_a_whole_comparison_has_no_such_caution():
    assert cautious({key: {0, 1, 2} for key in METHODS})[0] is False


@settings(max_examples=20, deadline=None)
@given(st.fixed_dictionaries({name: st.sampled_from((0, 1, 2)) for name in METHODS}))
def test_of_speed_too_one_run_of_each_method_is_said_to_tell_little(kept):
    """Whatever is left of a comparison, where no quality was measured."""
    speeds = {"full": 9000, "lora": 12000, "qlora": 10000}
    found = [
        records.ok(n, None, 20.0, speeds[n], cell=records.cell(n, seed)) for n, seed in kept.items()
    ]
    said = answer(stand(records.comparison(found)))
    assert said.limit or "speed" not in said.headline
