from __future__ import annotations

import pytest
import torch

from llmbench.plugin.strategy import CannotRun
from llmbench.worker.encoding import Tokens
from llmbench_fast.packing import IGNORED, Packing

FIRST = Tokens(tuple(range(1, 9)), prompt=3)
OTHERS = [Tokens((20, 21, 22, 23), prompt=0), Tokens((30, 31, 32), prompt=1)]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_no_example_sees_another_of_its_row(model, attention):
    model.set_attn_implementation(attention)
    together = Packing().batches([FIRST, *OTHERS], pad=0)
    assert together["input_ids"].shape == (1, 15)
    with torch.no_grad():
        packed = model.eval()(**together, use_cache=False).logits[0]
        start = 0
        for example in (FIRST, *OTHERS):
            alone = model(input_ids=torch.tensor([example.ids]), use_cache=False).logits[0]
            torch.testing.assert_close(packed[start : start + len(alone)], alone)
            start += len(alone)


def test_neither_a_prompt_nor_the_first_token_of_an_example_is_predicted():
    labels = Packing().batches([FIRST, *OTHERS], pad=0)["labels"][0].tolist()
    assert labels == [*[IGNORED] * 3, 4, 5, 6, 7, 8, IGNORED, 21, 22, 23, IGNORED, 31, 32]


def test_examples_of_an_encoder_and_a_decoder_are_refused():
    paired = Tokens((1, 2, 3), prompt=1, paired=True)
    with pytest.raises(CannotRun, match="not packed"):
        Packing().batches([paired], pad=0)
