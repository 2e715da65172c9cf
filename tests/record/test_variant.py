from __future__ import annotations

import pytest
from records import cell, ended, environment, ok

from llmbench.record.figure import peak_memory
from llmbench.record.record import DataRef
from llmbench.record.variant import Variant, variants


def seeds(composition: str, *numbers: int):
    return [ok(composition, cell=cell(composition, n)) for n in numbers]


def test_cells_that_differ_in_their_seed_alone_are_an_variant():
    held = [r for pair in zip(seeds("full", 0, 1), seeds("lora", 0, 1), strict=True) for r in pair]
    found = variants(held)
    assert [(a.cell.composition, a.seeds) for a in found] == [("full", (0, 1)), ("lora", (0, 1))]
    assert [a.id for a in found] == ["full.llama.s0", "lora.llama.s0"]


@pytest.mark.parametrize(
    "other",
    [
        ok("lora", cell=cell("lora", 1, settings={"steps": 7})),
        ok("lora", cell=cell("lora", 1, task="other")),
        ok("lora", cell=cell("lora", 1, eval_data=DataRef(name="x", examples=1, sha256="x"))),
        ok("lora", cell=cell("lora", 1), environment=environment(device_name="NVIDIA A100")),
        ok("lora", cell=cell("lora", 1), environment=environment(versions={"torch": "2.11"})),
    ],
)
def test_cells_that_differ_in_anything_else_are_not(other):
    assert len(variants([*seeds("lora", 0), other])) == 2


def test_a_figure_is_the_mean_over_the_seeds_that_ended_well():
    held = Variant(
        (
            ok("lora", memory_gib=10.0, cell=cell("lora", 0)),
            ok("lora", memory_gib=99.0, cell=cell("lora", 1), status="failed"),
            ok("lora", memory_gib=20.0, cell=cell("lora", 2)),
        )
    )
    assert held.mean(peak_memory) == 15.0 * 2**30
    assert held.seeds == (0, 2)


def test_a_cell_that_failed_keeps_the_figures_that_it_has():
    assert Variant((ok("lora", status="failed"),)).mean(peak_memory) is not None
    assert Variant((ended("lora", "oom", "No memory."),)).mean(peak_memory) is None


def ending(*statuses: str) -> Variant:
    return Variant(
        tuple(ok("lora", cell=cell("lora", n), status=s) for n, s in enumerate(statuses))
    )


@pytest.mark.parametrize(
    ("statuses", "says", "sound"),
    [
        (("ok",), "ok", True),
        (("oom",), "oom", False),
        (("ok", "ok", "ok"), "ok, 3 seeds", True),
        (("skipped", "skipped"), "skipped, 2 seeds", False),
        (("ok", "diverged", "ok"), "2 of 3 ok", False),
        (("ok", "interrupted"), "1 of 2 ok", True),
        (("oom", "failed"), "0 of 2 ok", False),
    ],
)
def test_how_a_variant_ended_is_said_of_all_its_seeds(statuses, says, sound):
    assert ending(*statuses).ending() == says
    assert ending(*statuses).sound == sound
