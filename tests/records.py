"""Records and comparisons for tests: built, not run. Same arguments, same records."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmbench.machine import Environment
from llmbench.record.comparison import Comparison, Header, Plan, Planned
from llmbench.record.record import (
    Budget,
    Cell,
    Conditions,
    DataRef,
    Example,
    Fit,
    Generation,
    GenerationBatch,
    Member,
    Memory,
    MemoryParts,
    ModelRef,
    Parameters,
    Phase,
    PhaseRecord,
    Record,
    Step,
    Stretched,
    Validation,
)
from llmbench.record.settings import Settings
from llmbench.workers.job import Job
from llmbench_metrics.rouge import Rouge
from llmbench_strategies import STRATEGIES

GIB = 2**30
MEASURES = tuple(m.model_copy(update={"metric": "rouge"}) for m in Rouge().measures())
HELD_OUT = DataRef(name="train.jsonl, held out", examples=64, sha256="5e1f03d2" * 8)
SHAPE = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
}
"""A `config.json` that real workers are quick with."""
TOTAL = 6_738_415_616
FIRST_LOSS = 3.2
PHASE_SHARES: dict[Phase, float] = {
    "load": 0.4,
    "prepare": 0.42,
    "train": 1.0,
    "evaluate": 0.6,
    "save": 0.3,
}
GROUPS = {s.id: s.group for s in STRATEGIES}
SENTENCES = (
    "Anna moved the meeting to Tuesday because Tom is ill.",
    "Paula and Diana will go climbing on Monday.",
    "Mark lost the glove, but it was on the stairs.",
    "The parcel arrives on Friday and Lee will pay for it.",
)


def shape(folder: Path) -> None:
    """Put a model's shape that real workers are quick with into the folder, as `shape`."""
    (folder / "shape").mkdir(parents=True, exist_ok=True)
    (folder / "shape" / "config.json").write_text(json.dumps(SHAPE))


def edit(path: Path, **changes: Any) -> None:
    """Give some keys of a JSON file other values."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def environment(device: str = "cuda", **changes: Any) -> Environment:
    """A machine with one large GPU, or with none."""
    values: dict[str, Any] = {
        "device": device,
        "device_name": "NVIDIA H200" if device == "cuda" else "AMD EPYC, 2 cores",
        "device_memory_bytes": 140 * GIB if device == "cuda" else 24 * GIB,
        "device_count": int(device == "cuda"),
        "driver": "580.95" if device == "cuda" else None,
        "system": "Linux x86_64",
        "cpu_name": "AMD EPYC",
        "cpu_count": 2,
        "memory_bytes": 24 * GIB,
        "python": "3.11.7",
        "versions": {"llmbench": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"},
    }
    return Environment.model_validate(values | changes)


def cell(composition: str, seed: int = 0, **changes: Any) -> Cell:
    """A cell of the composition; `settings` and `declared` can be given as dictionaries."""
    ids = [part.partition("(")[0] for part in composition.split("+")]
    settings = Settings().model_copy(
        update={"steps": 20, "eval_examples": 24, **changes.pop("settings", {})}
    )
    values: dict[str, Any] = {
        "id": f"{composition}.llama.s{seed}",
        "composition": composition,
        "members": tuple(
            Member(id=i, options={}, distribution="llmbench 0.1.0", group=GROUPS.get(i, ""))
            for i in ids
        ),
        "trains": composition != "base",
        "model": ModelRef(id="llama-2-7b", weights="pretrained"),
        "task": "summarization",
        "train_data": DataRef(name="train.jsonl", examples=80, sha256="0c8c84f1" * 8),
        "eval_data": DataRef(name="eval.jsonl", examples=24, sha256="c0063b9a" * 8),
        "metrics": ("rouge",),
        "seed": seed,
        "settings": settings,
    }
    return Cell(**values | changes)


def job_of(
    made: Cell,
    folder: Path,
    model: Path | str = "model",
    data: Path | None = None,
    **changes: Any,
) -> Job:
    """A job of the cell on a CPU; `data` is text that is trained on and evaluated."""
    text = {"tokenizer_source": str(model), "train_file": data, "eval_file": data} if data else {}
    values: dict[str, Any] = {
        "cell": made,
        "environment": environment("cpu"),
        "model_source": str(model),
        "record_file": folder / "record.json",
        "work_folder": folder,
        "started_at": 0.0,
        **text,
    }
    return Job(**values | changes)


def ok(
    composition: str,
    quality: float | None = 0.5,
    memory_gib: float = 30.0,
    tokens_per_second: float = 9000.0,
    device: str = "cuda",
    spread: float = 0.15,
    **changes: Any,
) -> Record:
    """A cell that ended well, with these figures; `changes` go to the record."""
    made = changes.pop("cell", None) or cell(composition)
    noise = random.Random(f"{composition} {made.seed}" if made.seed else composition)
    steps = _steps(made, tokens_per_second, noise) if made.trains else ()
    values: dict[str, Any] = {
        "cell": made,
        "status": "ok",
        "environment": environment(device),
        "started_at": "2026-11-22T07:34:25+00:00",
        "start_seconds": 0.4,
        "seconds": 60.0,
        "phases": phases(memory_gib * GIB, device, made.trains),
        "parameters": Parameters(
            trainable=TOTAL if "full" in composition else 39_976_960, total=TOTAL
        ),
        "first_loss": FIRST_LOSS,
        "steps": steps,
        "attention_kernels": ("flash",) if made.trains else (),
        "optimizer": "AdamW" if made.trains else None,
        "eval_loss": 2.1 if quality is None else 2.6 - quality,
        "generation": Generation(batches=(GenerationBatch(seconds=4.0, new_tokens=1900),)),
        "examples": () if quality is None else examples(quality, made.settings, spread, noise),
        "measures": MEASURES if quality is not None else (),
        "artifact_bytes": 160_000_000 if made.trains else None,
    }
    return Record(**values | changes)


def fitted(
    composition: str,
    size: int = 16,
    memory_gib: float = 15.5,
    tokens_per_second: float = 9500.0,
    budget_gib: float = 16,
    stretched: Stretched = "batch_size",
    **changes: Any,
) -> Record:
    """A cell of the frontier that ended well, with what it tried."""
    budget = Budget(bytes=int(budget_gib * GIB), stretched=stretched)
    made = cell(composition, id=f"{composition}.{budget.name}.llama.s0", fit=budget)
    within, beyond = (size, int(memory_gib * GIB)), (2 * size, 2 * budget.bytes)
    full = phases(memory_gib * GIB, changes.get("device", "cuda"), trains=True)
    values: dict[str, Any] = {
        "cell": made,
        "fit": Fit(size=size, tried=(within, beyond)),
        "phases": {p: full[p] for p in ("load", "prepare", "train")},
        "eval_loss": None,
        "generation": None,
        "artifact_bytes": None,
    }
    return ok(composition, None, memory_gib, tokens_per_second, **values | changes)


def validated(record: Record, *losses: float | None) -> Record:
    """The record with these validation losses: the first before training, the last at its end."""
    parts = max(1, len(losses) - 1)
    steps = [round(n * len(record.steps) / parts) for n in range(len(losses))]
    found = [
        Validation(
            step=step,
            train_seconds=sum(s.seconds for s in record.steps[:step]),
            tokens=sum(s.nonpadding_tokens for s in record.steps[:step]),
            loss=loss,
        )
        for step, loss in zip(steps, losses, strict=True)
    ]
    held = record.cell.model_copy(update={"validation_data": HELD_OUT})
    return record.model_copy(update={"cell": held, "validation": tuple(found)})


def tried(
    composition: str,
    rate: float,
    loss: float | None,
    status: str = "diverged",
    seed: int = 1000,
    **changes: Any,
) -> Record:
    """A tuning cell: its validation loss at the end or, without one, how it ended."""
    made = cell(
        composition,
        seed,
        id=f"{composition}.lr-{rate:.2g}.llama.s{seed}",
        settings={"learning_rate": rate},
        arithmetic=composition,
        rate="tuned",
        tuning=True,
        validation_data=HELD_OUT,
        **changes,
    )
    if loss is None:
        return ended(composition, status, "The loss of step 7 is NaN.", cell=made)
    done = ok(composition, None, cell=made, eval_loss=None, generation=None)
    end = validated(done, 3.0, loss).validation[-1:]
    return done.model_copy(update={"validation": end, "artifact_bytes": None})


def ended(composition: str, status: str, reason: str, **changes: Any) -> Record:
    """A cell that did not end well."""
    values: dict[str, Any] = {
        "cell": changes.pop("cell", None) or cell(composition),
        "status": status,
        "reason": reason,
        "phase": None if status == "skipped" else "train",
        "environment": environment(),
    }
    return Record(**values | changes)


def phases(peak: float, device: str, trains: bool) -> dict[Phase, PhaseRecord]:
    """Every phase, with the peak in `train`."""
    name = "allocated_bytes" if device == "cuda" else "host_growth_bytes"
    return {
        phase: PhaseRecord(seconds=8.0 * share, memory=Memory(**{name: int(peak * share)}))
        for phase, share in PHASE_SHARES.items()
        if trains or phase != "save"
    }


def parts(peak_gib: float) -> MemoryParts:
    """A peak of that size in all its parts: mostly weights and activations."""
    peak = int(peak_gib * GIB)
    shares = {"weights": 0.4, "adapter": 0.01, "gradients": 0.02, "optimizer": 0.07}
    held = {f"{name}_bytes": int(peak * share) for name, share in shares.items()}
    return MemoryParts(**held, activations_bytes=peak - sum(held.values()))


def understood(record: Record, throttled: str = "software power cap") -> Record:
    """The record with its peak taken apart and predicted; the GPU was watched, and held down."""
    seen = Conditions(
        samples=6,
        clock_mhz=(1560, 1665, 1980),
        clock_limit_mhz=1980,
        temperature_celsius=58,
        power_watts=522.4,
        throttle_reasons=(throttled,),
    )
    peak = (record.phases["train"].memory.allocated_bytes or 0) / GIB
    watched = {}
    for name, phase in record.phases.items():
        more = {"parts": parts(peak)} if name == "train" and record.cell.trains else {}
        memory = phase.memory.model_copy(update={"outside_bytes": 3 * GIB // 4, **more})
        watched[name] = phase.model_copy(update={"memory": memory, "conditions": seen})
    held = parts(peak * 1.01) if record.cell.trains else None
    effective = {"base_weights": "bfloat16", "attention": "sdpa", "micro_batch": "4"}
    update = {"phases": watched, "predicted": held, "effective": effective}
    return record.model_copy(update=update)


def examples(
    quality: float, settings: Settings, spread: float, noise: random.Random
) -> tuple[Example, ...]:
    """Evaluated examples whose ROUGE-L scatters around `quality`."""
    found = []
    for number in range(settings.eval_examples):
        wanted = f"{number}. {SENTENCES[number % len(SENTENCES)]}"
        hardness = random.Random(number).uniform(-1, 1)  # the same in every cell
        score = quality + spread * (hardness + 0.3 * noise.uniform(-1, 1))
        score = min(1.0, max(0.0, score))
        kept = wanted.split()[: max(1, round(score * len(wanted.split())))]
        scores = {
            n: round(score * f, 4)
            for n, f in {"rouge1": 1.0, "rouge2": 0.8, "rougeL": 1.0, "rougeLsum": 1.0}.items()
        }
        found.append(
            Example(
                id=f"eval-{number:04}",
                references=(wanted,),
                prediction=" ".join(kept),
                new_tokens=12,
                scores=scores,
            )
        )
    return tuple(found)


def comparison(records: Sequence[Record], **changes: Any) -> Comparison:
    """The records as one comparison; `changes` go to its header."""
    held = environment(records[0].environment.device if records[0].environment else "cuda")
    values: dict[str, Any] = {
        "name": "example",
        "created_at": "2026-11-22T07:34:25+00:00",
        "command": "llmbench compare --model llama-2-7b --strategies all",
        "configuration": {
            "model": "llama-2-7b",
            "strategies": ["all"],
            "settings": records[0].cell.settings.model_dump(mode="json"),
        },
        "origins": {"model": "command line", "strategies": "default", "steps": "default"},
        "environment": held,
        "plan": Plan(cells=tuple(Planned(cell=r.cell) for r in records)),
        "data_fields": {"input": "dialogue", "target": "summary"},
    }
    inputs = {
        e.id: f"Anna: This is dialogue {e.id}.\nTom: I see." for r in records for e in r.examples
    }
    return Comparison(Header(**values | changes), tuple(records), inputs)


def seven() -> Comparison:
    """The seven strategies and the base, all well: `full` best by a little, `qlora` smallest."""
    return comparison(
        [
            ok("base", 0.18, 14.0),
            ok("full", 0.63, 62.3, 10610),
            ok("lora", 0.62, 35.3, 12993),
            ok("qlora", 0.61, 5.1, 9290),
            ok("lora+8-bit", 0.52, 71.6, 2771),
            ok("lora+4-bit", 0.60, 6.2, 9400),
            ok("full+flash-attention", 0.63, 60.1, 11020),
            ok("full+gradient-checkpointing", 0.63, 50.9, 8403),
        ]
    )


def _steps(made: Cell, rate: float, noise: random.Random) -> tuple[Step, ...]:
    found = []
    for number in range(made.settings.steps):
        tokens = 3800 + noise.randrange(200)
        warm = 2.0 if number == 0 else 1.0
        found.append(
            Step(
                seconds=warm * tokens / rate * noise.uniform(0.97, 1.03),
                loss=FIRST_LOSS * (0.97**number) + noise.uniform(-0.05, 0.05),
                learning_rate=made.settings.learning_rate,
                supervised_tokens=tokens // 8,
                nonpadding_tokens=tokens,
                padded_tokens=4096,
            )
        )
    return tuple(found)
