"""How many columns LLM.int8 is expected to take for outliers, against random numbers."""

from __future__ import annotations

import pytest
import torch

from llmbench.worker.estimate.kernel import Outliers, chance


@pytest.mark.parametrize("deviation", [0.9, 1.28, 2.0])
def test_the_chance_is_that_of_random_numbers(deviation: float) -> None:
    random = torch.Generator().manual_seed(0)
    gate, up = (deviation * torch.randn(10**7, generator=random) for _ in range(2))
    found = ((torch.nn.functional.silu(gate) * up).abs() > 6.0).double().mean().item()
    assert chance(deviation, 6.0) == pytest.approx(found, rel=0.1)


def test_a_column_is_one_if_a_single_value_is() -> None:
    expected = Outliers({64: 0.01})
    assert expected.columns(torch.empty(0, 64)) == 0
    assert expected.columns(torch.empty(1, 64)) == 1
    assert expected.columns(torch.empty(69, 64)) == 32
    assert expected.columns(torch.empty(10_000, 64)) == 64


def test_other_inputs_have_none() -> None:
    assert Outliers({64: 0.5}).columns(torch.empty(1000, 32)) == 0
    assert Outliers().columns(torch.empty(1000, 64)) == 0
