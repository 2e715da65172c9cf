"""What is gathered and sent where a model is cut up, in bytes that can be counted by hand."""

from __future__ import annotations

from itertools import accumulate

import pytest
import torch

from llmbench.plugin.strategy import Cut
from llmbench.worker.estimate import shards
from llmbench.worker.estimate.shards import Gatherer, Moment, Unit

REST, FIRST, SECOND = 0, 1, 2
UNITS = [Unit(torch.nn.Identity(), size, trained) for size, trained in ((2, 2), (10, 10), (10, 10))]
FORWARD = [
    ("forward", REST),
    ("forward", FIRST),
    ("forward_ends", FIRST),
    ("forward", SECOND),
    ("forward_ends", SECOND),
    ("forward_ends", REST),
]
BACKWARD = [
    ("backward", REST),
    ("backward", SECOND),
    ("backward_ends", SECOND),
    ("backward", FIRST),
    ("backward_ends", REST),
    ("backward_ends", FIRST),
    ("all_end", REST),
]


def held(turns: list[tuple[str, int]], regathers: bool, units: list[Unit] = UNITS) -> list[int]:
    """Bytes that are held after each change."""
    gatherer = Gatherer(units, Cut(2, [], regathers))
    return list(accumulate(size for turn, unit in turns for size in getattr(gatherer, turn)(unit)))


def test_at_most_one_layer_is_gathered_beside_the_rest_and_a_buffer():
    assert max(held(FORWARD, regathers=True)) == 2 + 10 + 10
    assert held(FORWARD, regathers=True)[-1] == 0


def test_weights_that_are_kept_are_all_there_when_the_forward_pass_ends():
    assert held(FORWARD, regathers=False)[-1] == 2 + 10 + 10


@pytest.mark.parametrize("regathers", [True, False])
def test_nothing_is_held_after_the_backward_pass(regathers):
    assert held([*FORWARD, *BACKWARD], regathers)[-1] == 0


def test_the_layer_before_is_gathered_while_one_goes_backward():
    during = held([*FORWARD, ("backward", REST), ("backward", SECOND)], regathers=True)
    assert during[-1] == 2 + 10 + 10


def test_frozen_layers_send_no_gradients():
    frozen = [Unit(u.module, u.gathered_bytes, 0) for u in UNITS]
    sent, none = (held([*FORWARD, *BACKWARD], True, units) for units in (UNITS, frozen))
    assert max(none) <= max(sent)
    assert len(none) < len(sent)


def test_the_turns_of_layers_are_seen_in_both_passes():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    clock = iter(range(100))
    watch = shards.Watch(shards.units_of(model, list(model)), lambda: next(clock))
    with watch.watching():
        model(torch.ones(1, 2)).sum().backward()
    assert [(m.turn, m.unit) for m in watch.moments if "forward" not in m.turn] == [
        ("backward", SECOND),
        ("backward", REST),
        ("backward ends", SECOND),
        ("backward", FIRST),
        ("backward ends", REST),
        ("backward ends", FIRST),
        ("all end", REST),
    ]
    assert list(shards.reductions(watch.moments))


def test_gradients_are_reduced_together_with_their_layer():
    moments = [
        Moment(1, "backward", REST),
        Moment(2, "backward", FIRST),
        Moment(5, "backward ends", FIRST),
        Moment(9, "backward ends", REST),
    ]
    reduced = list(shards.reductions(moments))
    born = [shards.Allocation(512, "gradients", moment) for moment in (2, 4, 7)]
    assert [shards.reduced_at(one, reduced) for one in born] == [5, 5, 9]
