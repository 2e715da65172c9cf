"""The seven strategies on an NVIDIA GPU, on the shape of a real model with random weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from distribution import install

from llmbench.record.record import Memory, MemoryParts, Record
from llmbench.storage.store import Store
from llmbench.units import GIB, MIB

pytestmark = pytest.mark.gpu

# The paged optimiser takes managed memory, which shared GPU machines may not allow.
STRATEGIES = "full,lora,qlora(paged=false),8-bit,4-bit,flash-attention,gradient-checkpointing"
ALIAS = "llama-3.2-1b"
SHAPE = Path(__file__).parents[2] / "plugins" / "llmbench_models" / "configs" / ALIAS


HELD = {"train": 8 * GIB, "evaluate": 16 * GIB}
"""What the probe below takes from torch's allocator in a phase."""
OUTSIDE = {"prepare": 4 * GIB}
"""What it takes from the driver, past the allocator."""
PROBE = f"""
import ctypes

from llmbench import hookimpl
from llmbench.plugin.probe import Probe

HELD, OUTSIDE = {HELD}, {OUTSIDE}


class Hold(Probe):
    id, summary = "hold", "takes a known amount of memory in a phase, and gives it back"

    def enter(self, phase):
        import torch

        self.held = torch.empty(HELD.get(phase, 0), dtype=torch.uint8, device="cuda")
        self.outside = ctypes.c_uint64()
        if phase in OUTSIDE:
            take = ctypes.CDLL("libcuda.so.1").cuMemAlloc_v2
            assert take(ctypes.byref(self.outside), ctypes.c_size_t(OUTSIDE[phase])) == 0

    def leave(self, phase):
        self.held = None
        if phase in OUTSIDE:
            assert ctypes.CDLL("libcuda.so.1").cuMemFree_v2(self.outside) == 0
        return {{}}


@hookimpl
def register_probes(register):
    register(Hold)
"""


def compare(root: Path, *options: str, site: Path | None = None) -> dict[str, Record]:
    """Records by composition, of a comparison on the shape; `site` holds further plugins."""
    command = [
        *(sys.executable, "-m", "llmbench", "compare", "--model", ALIAS, "--weights", "random"),
        *("--batch-size", "4", "--seq-len", "1024", "--steps", "8", "--max-new-tokens", "16"),
        *("--output", str(root), *options),
    ]
    path = os.pathsep.join(filter(None, [str(site or ""), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return {r.cell.composition: r for r in Store(root).read().records}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Records by composition."""
    return compare(tmp_path_factory.mktemp("gpu") / "out", "--strategies", STRATEGIES)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """LoRA, with a probe that takes memory."""
    site = tmp_path_factory.mktemp("site")
    install(site, "hold", PROBE)
    root = tmp_path_factory.mktemp("held") / "out"
    return compare(root, "--strategies", "lora", site=site)["lora"]


def memory(record: Record, phase: str = "train") -> Memory:
    return record.phases[phase].memory  # type: ignore[index]


def parts(record: Record) -> MemoryParts:
    found = memory(record).parts
    assert found
    return found


def allocated(record: Record) -> int:
    return record.phases["train"].memory.allocated_bytes or 0


def test_all_run(records: dict[str, Record]) -> None:
    assert {name: r.status for name, r in records.items()} == dict.fromkeys(records, "ok")
    assert len(records) == 8


def test_every_cell_but_the_first_starts_from_the_process_that_has_imported_torch(
    records: dict[str, Record],
) -> None:
    starts = [r.start_seconds for r in records.values()]
    assert all(seconds is not None for seconds in starts)
    assert max(s for s in starts[1:] if s) < 5.0


def test_every_cell_starts_from_the_base_model(records: dict[str, Record]) -> None:
    from llmbench.analysis.checks import first_loss_problems

    assert first_loss_problems(list(records.values())) == {}


def test_memory_is_what_the_allocator_held_and_the_process_held_more(
    records: dict[str, Record],
) -> None:
    for record in records.values():
        memory = record.phases["train"].memory
        assert memory.allocated_bytes
        assert memory.reserved_bytes
        assert memory.process_bytes
        assert memory.allocated_bytes <= memory.reserved_bytes < memory.process_bytes
        assert memory.host_growth_bytes is None


def test_strategies_order_as_they_are_known_to(records: dict[str, Record]) -> None:
    full, lora, qlora = (allocated(records[n]) for n in ("full", "lora", "qlora(paged=false)"))
    assert qlora < lora < full
    assert allocated(records["full+gradient-checkpointing"]) < full


def test_flash_attention_ran_on_a_flash_kernel(records: dict[str, Record]) -> None:
    assert records["full+flash-attention"].attention_kernels == ("flash",)


def test_the_count_of_adapter_parameters_is_the_closed_form(records: dict[str, Record]) -> None:
    shape = json.loads((SHAPE / "config.json").read_text())
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    keys = shape["num_key_value_heads"] * shape["head_dim"]
    linear = [(hidden, hidden), (hidden, keys), (hidden, keys), (hidden, hidden)]
    linear += [(hidden, inner), (hidden, inner), (inner, hidden)]
    expected = 16 * shape["num_hidden_layers"] * sum(i + o for i, o in linear)
    for name in ("lora", "qlora(paged=false)", "lora+8-bit", "lora+4-bit"):
        parameters = records[name].parameters
        assert parameters
        assert parameters.trainable == expected
        assert parameters.total == records["full"].parameters.total + expected  # type: ignore[union-attr]


def test_adapters_are_in_the_common_precision(records: dict[str, Record]) -> None:
    sizes = {n: records[n].artifact_bytes or 0 for n in ("lora", "lora+8-bit", "lora+4-bit")}
    assert max(sizes.values()) < 1.05 * min(sizes.values())


def test_what_a_peak_is_made_of_adds_up_to_it(records: dict[str, Record]) -> None:
    trained = [r for r in records.values() if r.cell.trains]
    assert [parts(r).total_bytes for r in trained] == [allocated(r) for r in trained]


def test_weights_adapters_and_states_are_as_large_as_their_numbers_say(
    records: dict[str, Record],
) -> None:
    full, lora = records["full"].parameters, records["lora"].parameters
    assert full
    assert lora
    whole, beside = parts(records["full"]), parts(records["lora"])
    two_bytes = 2  # bf16, states included
    assert whole.weights_bytes == pytest.approx(two_bytes * full.total, rel=0.01)
    assert whole.optimizer_bytes == pytest.approx(2 * two_bytes * full.total, rel=0.01)
    assert (whole.adapter_bytes, beside.weights_bytes) == (0, whole.weights_bytes)
    assert beside.adapter_bytes == pytest.approx(two_bytes * lora.trainable, rel=0.01)
    assert beside.optimizer_bytes == pytest.approx(2 * two_bytes * lora.trainable, rel=0.01)
    assert 0 <= beside.gradients_bytes <= beside.adapter_bytes * 1.01
    assert 0 <= whole.gradients_bytes <= whole.weights_bytes * 1.01


def test_quantised_weights_are_smaller_and_checkpointing_lowers_activations(
    records: dict[str, Record],
) -> None:
    weights = {name: parts(r).weights_bytes for name, r in records.items() if r.cell.trains}
    assert weights["qlora(paged=false)"] < weights["lora+4-bit"] < weights["lora+8-bit"]
    assert weights["lora+8-bit"] < weights["lora"]
    small, large = (parts(records[n]) for n in ("full+gradient-checkpointing", "full"))
    assert small.activations_bytes < 0.8 * large.activations_bytes


def test_a_probes_memory_is_in_its_phases_and_nowhere_else(
    records: dict[str, Record], held: Record
) -> None:
    without = records["lora"]
    for phase in without.phases:
        expected = HELD.get(phase, 0)
        for name in ("allocated_bytes", "reserved_bytes"):
            more = getattr(memory(held, phase), name) - getattr(memory(without, phase), name)
            assert more == pytest.approx(expected, rel=0.01, abs=64 * MIB), (phase, name)
    rest = parts(held).activations_bytes - parts(without).activations_bytes
    assert rest == pytest.approx(HELD["train"], rel=0.01)


def test_memory_outside_torch_is_the_processes_alone(
    records: dict[str, Record], held: Record
) -> None:
    without = records["lora"]
    for phase in without.phases:
        now, before = memory(held, phase), memory(without, phase)
        assert now.outside_bytes is not None
        assert before.outside_bytes is not None
        more = now.outside_bytes - before.outside_bytes
        assert more == pytest.approx(OUTSIDE.get(phase, 0), rel=0.01, abs=64 * MIB), phase
    prepared, before = memory(held, "prepare"), memory(without, "prepare")
    assert prepared.process_bytes
    assert before.process_bytes
    more = prepared.process_bytes - before.process_bytes
    assert more == pytest.approx(OUTSIDE["prepare"], rel=0.01, abs=64 * MIB)


def test_what_lies_outside_torch_is_the_context_and_libraries(records: dict[str, Record]) -> None:
    for record in records.values():
        found = memory(record)
        assert found.outside_bytes is not None
        assert 100 * MIB < found.outside_bytes < 4 * GIB
        assert found.paged_bytes == (0 if record.cell.trains else None)


def test_the_gpu_was_watched_while_it_trained(records: dict[str, Record]) -> None:
    for record in records.values():
        if not record.cell.trains:
            continue
        seen = record.phases["train"].conditions
        assert seen
        assert seen.samples >= 2
        assert seen.clock_mhz
        assert seen.clock_limit_mhz
        low, middle, high = seen.clock_mhz
        assert 100 < low <= middle <= high <= seen.clock_limit_mhz
        assert seen.temperature_celsius
        assert seen.power_watts
        assert 10 < seen.temperature_celsius < 100
        assert 20 < seen.power_watts < 1500
        assert seen.other_processes == 0


def test_what_is_in_force_is_what_was_seen(records: dict[str, Record]) -> None:
    found = {name: r.effective for name, r in records.items() if r.cell.trains}
    assert {name: f["base_weights"] for name, f in found.items()} == {
        **dict.fromkeys(found, "bfloat16"),
        "qlora(paged=false)": "bfloat16, nf4",
        "lora+4-bit": "bfloat16, nf4",
        "lora+8-bit": "bfloat16, int8",
    }
    assert {f["trained_weights"] for f in found.values()} == {"bfloat16"}
    assert {f["optimizer_states"] for f in found.values()} == {"bfloat16"}
    assert {f["autocast"] for f in found.values()} == {"off"}
    checkpointed = [n for n, f in found.items() if f["gradient_checkpointing"] == "on"]
    assert checkpointed == ["full+gradient-checkpointing"]


BUDGET = 12 * 2**30


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Records of the cells that fill a budget, by composition."""
    root = tmp_path_factory.mktemp("fit") / "out"
    command = [
        *(sys.executable, "-m", "llmbench", "compare", "--model", ALIAS, "--weights", "random"),
        *("--strategies", "lora,lora+gradient-checkpointing", "--fit", "12GiB"),
        *("--batch-size", "1", "--seq-len", "1024", "--steps", "8", "--eval-examples", "1"),
        *("--max-new-tokens", "4", "--output", str(root)),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return {r.cell.composition: r for r in Store(root).read().fitted.records}


def test_what_fits_needs_no_more_than_the_budget_and_one_sequence_more_does(
    fitted: dict[str, Record],
) -> None:
    assert len(fitted) == 2
    for record in fitted.values():
        assert record.status == "ok"
        assert not any("budget" in warning for warning in record.warnings)
        assert record.fit
        tried = dict(record.fit.tried)
        assert allocated(record) <= BUDGET
        assert allocated(record) == pytest.approx(tried[record.fit.size], rel=0.01)
        assert tried[record.fit.size + 1] > BUDGET or tried[record.fit.size + 1] == -1
        assert {s.padded_tokens for s in record.steps} == {record.fit.size * 1024}


def test_checkpointing_makes_room_for_more_sequences(fitted: dict[str, Record]) -> None:
    sizes = {name: record.fit.size for name, record in fitted.items() if record.fit}
    assert sizes["lora+gradient-checkpointing"] > sizes["lora"]


def test_two_deterministic_runs_give_equal_bits(tmp_path: Path) -> None:
    options = ("--strategies", "lora", "--deterministic", "--steps", "6")
    one, other = (compare(tmp_path / name, *options) for name in ("one", "other"))
    for name, record in one.items():
        assert record.status == "ok", record.reason
        assert record.first_loss == other[name].first_loss
        assert [s.loss for s in record.steps] == [s.loss for s in other[name].steps]
    assert one["lora"].effective["deterministic"] == "on"
    assert one["lora"].cell.id == other["lora"].cell.id
