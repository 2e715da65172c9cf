"""What a peak is made of, row by row, and the memory that is not in it."""

from __future__ import annotations

import pytest
import records

from llmbench.analysis.judging import stand
from llmbench.record.record import MemoryParts, Record
from llmbench.record.variant import Variant
from llmbench.wording import peak

GIB = 2**30


def lora(gib: float = 40.0, seed: int = 0, **memory: int) -> Record:
    made = records.understood(records.ok("lora", memory_gib=gib, cell=records.cell("lora", seed)))
    train = made.phases["train"]
    held = train.model_copy(update={"memory": train.memory.model_copy(update=memory)})
    return made.model_copy(update={"phases": made.phases | {"train": held}})


def test_the_measured_peak_comes_before_the_predicted_one() -> None:
    found = list(peak.peaks(Variant((lora(),))))
    assert [p.predicted for p in found] == [False, True]
    assert [p.total_bytes / GIB for p in found] == pytest.approx([40, 40.4])
    assert found[0].texts == ("16.0 GiB", "410 MiB", "819 MiB", "2.8 GiB", "20.0 GiB", "40.0 GiB")


def test_of_several_seeds_there_are_the_means() -> None:
    variant = Variant(tuple(lora(40 + seed, seed) for seed in range(3)))
    assert next(peak.peaks(variant)).total_bytes / GIB == pytest.approx(41)


def test_a_part_that_is_not_there_is_nought() -> None:
    none = MemoryParts(weights_bytes=GIB)
    one = records.ended("lora", "oom", "x", predicted=none)
    (found,) = peak.peaks(Variant((one,)))
    assert found.texts == ("1.0 GiB", "0", "0", "0", "0", "1.0 GiB")


@pytest.mark.parametrize(
    "record", [records.ok("lora"), records.ok("lora", device="cpu"), records.ok("base")]
)
def test_where_nothing_is_known_there_is_no_peak(record: Record) -> None:
    assert not list(peak.peaks(Variant((record,))))


def test_memory_outside_the_allocator_is_named() -> None:
    made = [lora(outside_bytes=GIB), records.understood(records.ok("full"))]
    (said,) = peak.outside(stand(records.comparison(made)))
    assert said.startswith("Outside the allocator, processes held 768 MiB to 1.0 GiB more:")


def test_paged_memory_is_named_with_whose_it_is() -> None:
    made = [lora(paged_bytes=150 * 2**20), records.understood(records.ok("full"))]
    said = list(peak.outside(stand(records.comparison(made))))
    assert said[0].startswith("Outside the allocator, processes held 768 MiB more:")
    assert said[1].endswith("are not counted by it either: 150 MiB for `lora`.")
