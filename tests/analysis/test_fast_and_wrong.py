"""A strategy that is fast because it computes something else is found out, run for real.

It stands for kernels that were seen to give a loss of 522 where 11.2 is right, at a fine speed.
"""

from __future__ import annotations

import pytest
from distribution import QUICK, install, llmbench

from llmbench.analysis.judging import stand
from llmbench.record.comparison import Comparison
from llmbench.record.record import Record
from llmbench.storage.store import Store
from llmbench.wording.notes import notes

WRONG = """
from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy


class FastAndWrong(Strategy):
    id = "fast-and-wrong"
    summary = "all weights, through one layer of many, without the norm, and out of scale"
    group = "adaptation"

    def prepare(self, model, settings):
        import torch

        model.model.layers = model.model.layers[:1]
        model.model.norm = torch.nn.Identity()
        model.lm_head.register_forward_hook(lambda module, inputs, logits: 50 * logits)
        return model.requires_grad_(True)


@hookimpl
def register_strategies(register):
    register(FastAndWrong)
"""


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """LoRA and the strategy that is wrong, on the shipped model."""
    folder = tmp_path_factory.mktemp("wrong")
    install(folder, "fast-and-wrong", WRONG)
    done = llmbench(
        folder,
        *("compare", *QUICK, "--strategies", "lora,fast-and-wrong", "--output", "out"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Store(folder / "out").read().equal


def wrong(comparison: Comparison) -> Record:
    return next(r for r in comparison.records if r.cell.composition == "fast-and-wrong")


def test_it_ends_well_and_its_first_loss_gives_it_away(comparison: Comparison) -> None:
    record, base = wrong(comparison), comparison.records[0]
    assert record.status == "ok"
    assert record.first_loss
    assert base.first_loss
    assert record.first_loss > 10 * base.first_loss


def test_it_is_marked_and_cannot_win(comparison: Comparison) -> None:
    standing = stand(comparison)
    assert list(standing.problems) == [wrong(comparison).cell.id]
    assert [variant.cell.composition for variant in standing.competing] == ["lora"]
    first = notes(comparison, standing)[0]
    assert first.kind == "wrong"
    assert "`fast-and-wrong` is out of the running" in first.text
    assert "not to be used" in first.text
