"""Predicted memory against what can be worked out by hand, on a Llama of two layers."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import cell, environment

from llmbench import plugin
from llmbench.config import composition
from llmbench.config.plan import member
from llmbench.plugin.strategy import Strategy
from llmbench.record.record import MemoryParts, ModelRef, Parameters
from llmbench.record.settings import Settings
from llmbench.worker.cell import strategies
from llmbench.worker.estimate import kernel
from llmbench.worker.estimate.simulation import Simulation

EXAMPLE = Path(__file__).parents[2] / "plugins" / "examples" / "llmbench-hra"
VOCABULARY, HIDDEN, INNER, KEYS, LAYERS, HEADS = 320, 64, 128, 32, 2, 4
LINEAR = [
    *((HIDDEN, HIDDEN), (KEYS, HIDDEN), (KEYS, HIDDEN), (HIDDEN, HIDDEN)),
    *((INNER, HIDDEN), (INNER, HIDDEN), (HIDDEN, INNER)),
] * LAYERS
"""Output and input sizes of every linear layer but the head."""
REST = [VOCABULARY * HIDDEN] * 2 + [HIDDEN] * (2 * LAYERS + 1)
"""Elements of the embedding, the head and the norms."""
MATRICES = [rows * columns for rows, columns in LINEAR]
BUFFERS = 2 * 512
"""The rotary embedding's frequencies, twice."""
WORKSPACE = 2 * 2**25
"""cuBLAS on Hopper, for two threads."""
FEW = {"batch_size": 1, "seq_len": 8}

Make = Callable[..., Simulation]


@pytest.fixture(scope="module", autouse=True)
def frozen() -> Any:
    """Leave all that is imported out of collections, as a worker does: they come often."""
    import bitsandbytes
    import peft

    gc.freeze()
    yield bitsandbytes, peft
    gc.unfreeze()


@pytest.fixture(autouse=True)
def installed(registry: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The built-in plugins, whatever else is installed."""
    return registry


@pytest.fixture
def simulate(installed: Any, model_folder: Path) -> Make:
    """Makes the simulation of a composition on the tiny Llama, on an H200 in bf16."""

    def make(
        text: str, weights: str = "pretrained", source: Path = model_folder, **changes: Any
    ) -> Simulation:
        wanted = composition.read(text)
        where = environment(compute_capability=(9, 0))
        common = Settings(precision="bf16-true").model_copy(update=changes)
        made = cell(
            text,
            members=tuple(member(m) for m in wanted.members),
            trains=wanted.trains,
            model=ModelRef.model_validate({"id": "tiny", "weights": weights}),
            settings=wanted.adjust(common, where).model_dump(),
        )
        return Simulation(made, strategies(made), where, str(source))

    return make


@pytest.fixture
def peak(simulate: Make) -> Callable[..., MemoryParts]:
    """The predicted peak of a composition with these settings."""

    def of(text: str, **changes: Any) -> MemoryParts:
        made = simulate(text, **changes)
        return made.peak(made.cell.settings)

    return of


def blocks(*sizes: float) -> int:
    """Bytes that the allocator gives out for tensors of these sizes."""
    return sum(-(-int(size) // 512) * 512 for size in sizes)


def halves(elements: list[int]) -> int:
    """The same for tensors of that many numbers in bf16."""
    return blocks(*(2 * n for n in elements))


def test_full_fine_tuning_holds_weights_gradients_and_two_states(peak: Any) -> None:
    parts = peak("full", **FEW)
    weights = halves(MATRICES + REST)
    assert parts.weights_bytes == weights + BUFFERS
    assert parts.gradients_bytes == weights
    counters = 512 * len(MATRICES + REST)
    assert parts.optimizer_bytes == 2 * weights + counters
    assert parts.adapter_bytes == 0
    assert WORKSPACE <= parts.activations_bytes < WORKSPACE + 2**20


def test_the_base_holds_its_weights_and_one_thread_s_work_space(peak: Any) -> None:
    parts = peak("base", **FEW)
    assert parts.gradients_bytes == parts.optimizer_bytes == 0
    assert WORKSPACE / 2 <= parts.activations_bytes < WORKSPACE / 2 + 2**20


@pytest.mark.parametrize(
    ("capability", "deterministic", "mib"),
    [((9, 0), False, 32), ((12, 0), False, 32), ((8, 0), False, 8.125), ((8, 0), True, 32)],
)
def test_cublas_works_in_what_torch_gives_it(
    capability: tuple[int, int], deterministic: bool, mib: float
) -> None:
    assert kernel.workspace_bytes(capability, deterministic) == mib * 2**20


def test_lora_adds_its_matrices_and_trains_nothing_else(simulate: Any) -> None:
    made = simulate("lora(r=4)")
    parts = made.peak(made.cell.settings.model_copy(update=FEW))
    pairs = [size * 4 for shape in LINEAR for size in shape]
    assert made.parameters == Parameters(
        trainable=sum(pairs),
        total=sum(pairs) + sum(MATRICES + REST),
        packed=0,
        adapted=sum(rows * columns for rows, columns in LINEAR),
    )
    assert made.base_parameters == sum(MATRICES + REST)
    assert parts.weights_bytes == halves(MATRICES + REST) + BUFFERS
    assert parts.adapter_bytes == halves(pairs)
    assert parts.optimizer_bytes == 2 * halves(pairs) + 512 * len(pairs)


def test_weights_of_its_own_that_a_strategy_freezes_are_the_base_s(simulate: Any) -> None:
    made = simulate("full+freeze-embeddings")
    assert made.parameters.trainable < made.parameters.total
    assert made.base_parameters == sum(MATRICES + REST)


def test_4_bit_weights_are_packed_and_have_a_scale_for_64(peak: Any) -> None:
    parts = peak("lora+4-bit", **FEW)
    packed = sum(blocks(n / 2, 4 * n / 64, 16 * 4) for n in MATRICES)
    assert parts.weights_bytes == packed + halves(REST) + BUFFERS


def test_double_quantisation_packs_the_scales_as_well(peak: Any) -> None:
    parts = peak("qlora(paged=false)", **FEW)
    scales = [n // 64 for n in MATRICES]
    packed = sum(blocks(n / 2, 16 * 4) for n in MATRICES)
    packed += sum(blocks(n, 4 * -(-n // 256), 256 * 4, 4) for n in scales)
    assert parts.weights_bytes == packed + halves(REST) + BUFFERS


def test_8_bit_weights_take_a_byte_and_have_a_scale_for_each_row(peak: Any) -> None:
    parts = peak("lora+8-bit", **FEW)
    packed = sum(blocks(rows * columns, 4 * rows) for rows, columns in LINEAR)
    assert parts.weights_bytes == packed + halves(REST) + BUFFERS


def test_llm_int8_keeps_outliers_of_random_weights_a_second_time(
    simulate: Any, model_folder: Path, tmp_path: Path
) -> None:
    # Weights as wide apart as a large model's sums make them.
    config = json.loads((model_folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"initializer_range": 0.5}))
    few, many = (
        made.peak(made.cell.settings.model_copy(update={"batch_size": 4, "seq_len": 128}))
        for made in (
            simulate("8-bit", weights=w, source=tmp_path) for w in ("pretrained", "random")
        )
    )
    apart = LAYERS * INNER * 4 * 128 * 2
    assert many.activations_bytes - few.activations_bytes >= apart


def test_paged_states_do_not_lie_on_the_device(peak: Any) -> None:
    # Of the matrices, those with 100,000 elements or more are paged.
    paged, held = (peak(f"qlora(r=1024,paged={p})", **FEW) for p in ("true", "false"))
    pairs = [size * 1024 for shape in LINEAR for size in shape]
    small = [n for n in pairs if n < 1e5]
    assert 0 < len(small) < len(pairs)
    assert paged.optimizer_bytes == sum(blocks(4 * n, 4 * n) for n in small)
    assert held.optimizer_bytes > 2 * halves(pairs)


def test_checkpointing_lowers_activations_and_nothing_else(peak: Any) -> None:
    plain = peak("lora", seq_len=256)
    saving = peak("lora+gradient-checkpointing", seq_len=256)
    assert saving.activations_bytes < plain.activations_bytes
    assert saving.weights_bytes == plain.weights_bytes
    assert saving.adapter_bytes == plain.adapter_bytes


def test_eager_attention_keeps_the_matrix_of_scores(peak: Any) -> None:
    fused, eager, flash = (
        peak(f"lora+{name}" if name else "lora", batch_size=2, seq_len=256).activations_bytes
        for name in ("", "eager-attention", "flash-attention")
    )
    assert flash == fused
    assert eager - fused >= LAYERS * 2 * HEADS * 256 * 256 * 2


def test_in_fp32_grouped_queries_have_no_fused_kernel(peak: Any) -> None:
    fp32 = peak("lora", batch_size=2, seq_len=256, precision="fp32")
    bf16 = peak("lora", batch_size=2, seq_len=256)
    assert fp32.weights_bytes > 1.9 * bf16.weights_bytes
    scores = LAYERS * 2 * HEADS * 256 * 256 * 4
    assert (
        fp32.activations_bytes - WORKSPACE > 2 * (bf16.activations_bytes - WORKSPACE) + scores / 2
    )


def test_more_micro_batches_hold_no_more_than_two(peak: Any) -> None:
    one, two, many = (peak("full", accumulation=n).total_bytes for n in (1, 2, 64))
    assert one < two == many  # the second is computed while the first one's gradients are held


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=st.integers(1, 16), length=st.integers(8, 128))
def test_more_needs_more(lora: Simulation, batch: int, length: int) -> None:
    def total(batch_size: int, seq_len: int) -> int:
        wanted = {"batch_size": batch_size, "seq_len": seq_len}
        return lora.peak(lora.cell.settings.model_copy(update=wanted)).total_bytes

    least = total(batch, length)
    assert least <= total(batch + 1, length)
    assert least <= total(batch, length + 8)
    assert least == total(batch, length)


@pytest.fixture
def lora(simulate: Make) -> Simulation:
    return simulate("lora")


def test_a_plugin_s_strategy_is_simulated_like_any_other(
    simulate: Any, installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.delitem(sys.modules, "llmbench_hra", raising=False)
    import llmbench_hra

    installed.strategies.add("hra", llmbench_hra.Hra, plugin.Plugin("test", "test"))
    made = simulate("hra+gradient-checkpointing")
    parts = made.peak(made.cell.settings)
    reflections = [8 * columns for _, columns in LINEAR]
    assert made.parameters.trainable == sum(reflections)
    assert parts.adapter_bytes == halves(reflections)
    assert parts.weights_bytes == halves(MATRICES + REST) + BUFFERS


def test_a_strategy_s_own_optimiser_is_the_one_that_runs(simulate: Any, installed: Any) -> None:
    class Plain(Strategy):
        id, summary, group = "plain-sgd", "", "optimizer"

        def optimizer(self, parameters: Any, settings: Settings) -> Any:
            return torch.optim.SGD(parameters, lr=1e-3)

    installed.strategies.add("plain-sgd", Plain, plugin.Plugin("test", "test"))
    made = simulate("full+plain-sgd")
    assert made.peak(made.cell.settings.model_copy(update=FEW)).optimizer_bytes == 0


def test_nothing_is_left_when_all_is_gone(simulate: Any) -> None:
    made = simulate("lora+4-bit+gradient-checkpointing")
    watch = made.watch  # without it nobody would see what goes
    held = watch.ledger.held_bytes
    for _ in range(2):
        made.peak(made.cell.settings)
    states = watch.ledger.held_bytes - held
    assert made.peak(made.cell.settings).optimizer_bytes == states
    del made
    gc.collect()
    assert watch.ledger.held_bytes == 0
