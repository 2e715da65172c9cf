"""The seven strategies on an NVIDIA GPU, on the shape of a real model with random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llmbench.record import Record
from llmbench.store import Store

pytestmark = pytest.mark.gpu

# The paged optimiser takes managed memory, which shared GPU machines may not allow.
STRATEGIES = "full,lora,qlora(paged=false),8-bit,4-bit,flash-attention,gradient-checkpointing"
ALIAS = "llama-3.2-1b"
SHAPE = Path(__file__).parents[1] / "plugins" / "llmbench_models" / "configs" / ALIAS


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    """Records by composition."""
    root = tmp_path_factory.mktemp("gpu") / "out"
    command = [
        *(sys.executable, "-m", "llmbench", "compare", "--model", ALIAS, "--weights", "random"),
        *("--strategies", STRATEGIES, "--batch-size", "4", "--seq-len", "1024", "--steps", "8"),
        *("--max-new-tokens", "16", "--output", str(root)),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return {r.cell.composition: r for r in Store(root).read().records}


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
    from llmbench.check import first_loss_problems

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
