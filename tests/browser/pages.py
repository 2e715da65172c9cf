"""The comparisons whose reports the browser opens."""

from __future__ import annotations

import math

import injection
import records

from llmbench.record.comparison import Comparison
from llmbench.record.record import Record

STEPS = 200
EXAMPLES = 100
SIZES = {
    "base": (0.18, 14.0, 9000),
    "full": (0.63, 62.3, 10610),
    "lora": (0.62, 35.3, 12993),
    "qlora": (0.61, 5.1, 9290),
    "lora+8-bit": (0.52, 71.6, 2771),
    "lora+4-bit": (0.60, 6.2, 9400),
    "full+flash-attention": (0.63, 60.1, 11020),
    "full+gradient-checkpointing": (0.63, 50.9, 8403),
}
TRACEBACK = """Traceback (most recent call last):
  File "/opt/llmbench/worker/run.py", line 214, in attempt
    strategy.prepare(model, settings)
  File "/opt/llmbench_strategies/qlora.py", line 88, in prepare
    raise ValueError("the weight model.layers.0.self_attn.q_proj.weight has 3 dimensions")
ValueError: the weight model.layers.0.self_attn.q_proj.weight has 3 dimensions"""
DIALOGUE = (
    "Anna: Will you come to the party on Sunday?\r\nTom: Yes, and I bring a cake, as I said.\r\n"
)


def good(composition: str, seed: int = 0) -> Record:
    """A cell as long as a real one: many steps and many examples."""
    settings = {"steps": STEPS, "eval_examples": EXAMPLES}
    cell = records.cell(composition, seed, settings=settings)
    return records.understood(records.ok(composition, *SIZES[composition], cell=cell))


def all_well() -> Comparison:
    """The base and all seven strategies, none failed, with inputs of a real length."""
    made = records.comparison([*(good(c) for c in SIZES), *fits()])
    inputs = {key: DIALOGUE * (8 + n % 9) for n, key in enumerate(made.inputs)}
    return Comparison(made.header, made.records, inputs)


def fitted() -> Comparison:
    """Cells that make a 2x2, and what fits into a budget: some well, one not, one not at all."""
    made = [good(c) for c in SIZES if "8-bit" not in c]
    both = "lora(r=64,alpha=128)+4-bit+gradient-checkpointing+flash-attention"
    reason = "Nothing fits into 16 GiB: a micro-batch of 1 sequence of 1,024 tokens needs 62.1 GiB."
    made += [
        records.ok("full+gradient-checkpointing+flash-attention", 0.63, 48.2, 8700),
        records.ok("lora+gradient-checkpointing", 0.62, 15.6, 9061),
        records.fitted("lora", 24, warnings=("Its timed steps needed 16.1 GiB.",)),
        records.fitted(both, 1024, budget_gib=16),
        records.fitted("qlora", 65536, stretched="seq_len"),
        records.ended("full", "skipped", reason, cell=records.fitted("full").cell),
    ]
    return records.comparison(made)


LEARNING = {
    "full": (1.62, 4.2),
    "lora": (1.66, 6.1),
    "qlora": (1.71, 5.4),
    "lora+8-bit": (1.69, 5.9),
    "lora+4-bit": (1.72, 5.0),
    "full+flash-attention": (1.62, 4.2),
    "full+gradient-checkpointing": (1.62, 4.2),
}
"""The validation loss that each ends near, and how steeply it gets there."""
BEST = {"full": 6e-5, "lora": 2e-3, "qlora": 1e-3, "lora+8-bit": 2e-3, "lora+4-bit": 6e-4}
"""The learning rate at which each has the lowest loss."""


def tuned() -> Comparison:
    """Three seeds with validation losses, each at a learning rate that was searched for."""
    bases = [records.ok("base", *SIZES["base"], cell=records.cell("base", s)) for s in range(3)]
    made = [records.validated(base, 2.6) for base in bases]
    for name, (end, fall) in LEARNING.items():
        for seed in range(3):
            arithmetic = name.split("+flash")[0].split("+gradient")[0]
            cell = records.cell(
                name,
                seed,
                arithmetic=arithmetic,
                rate="tuned",
                settings={"precision": "bf16-master"},
            )
            done = records.ok(name, *SIZES[name], cell=cell)
            shares = [math.exp(-fall * n / 6) for n in range(7)]
            losses = [end + (2.6 - end) * s + 0.01 * seed * (1 - s) for s in shares]
            made.append(records.validated(typed(records.understood(done)), *losses))
    return records.comparison([*made, *tries()])


def typed(record: Record) -> Record:
    """The record with what its weights and its optimiser are in."""
    base = "bfloat16, nf4" if record.cell.composition in ("qlora", "lora+4-bit") else "bfloat16"
    seen = {
        "base_weights": base,
        "trained_weights": "bfloat16",
        "master_weights": "float32",
        "gradients": "float32",
        "optimizer_states": "uint8" if record.cell.composition == "qlora" else "float32",
    }
    return record.model_copy(update={"effective": record.effective | seen})


def tries() -> list[Record]:
    """Rates around the best of each method; too high a one diverges, or goes wrong."""
    made = []
    for name, best in BEST.items():
        least = 2e-5 if name == "full" else 2e-4
        for rate in (least * 10 ** (n / 2) for n in range(-1, 5)):
            off = math.log10(rate / best)
            loss = LEARNING[name][0] + (0.12 if off < 0 else 0.3) * off * off
            wrong = 7.31 if off < 1.2 else None
            made.append(records.tried(name, rate, wrong if off > 0.9 else loss))
    return made


def fits() -> list[Record]:
    """Cells of a memory budget: one that fits, and one that does not."""
    nothing = records.fitted("full").cell
    return [
        records.fitted("lora", memory_gib=15.6),
        records.ended("full", "skipped", "Nothing fits into 16.0 GiB.", cell=nothing),
    ]


def failed() -> Comparison:
    """A few that went well, and one of each way not to."""
    made = [
        good("base"),
        good("full"),
        good("lora"),
        records.ended(
            "lora+8-bit",
            "oom",
            "CUDA out of memory. Tried to allocate 2.00 GiB: try `qlora`.",
            predicted=records.parts(150),
        ),
        records.ended("qlora", "failed", TRACEBACK.splitlines()[-1], traceback=TRACEBACK),
        records.ended("full+flash-attention", "skipped", "Flash kernels need half precision."),
        records.ended("full+gradient-checkpointing", "diverged", "The loss of step 7 is NaN."),
        records.ended("lora+4-bit", "killed", "The worker was killed (SIGKILL): out of memory?"),
        records.ended("full+8-bit-adam", "timeout", "It took longer than 60 seconds."),
        records.ended("dora", "interrupted", "Interrupted from the keyboard."),
    ]
    notices = ("The data have no test split: every 10th example was held out.",)
    return records.comparison(made, notices=notices)


def thousand() -> Comparison:
    """As many cells as a page must carry; some failed."""
    made = [good("base")]
    for number in range(1, 1000):
        name = f"lora(r={number})+gradient-checkpointing"
        if number % 50 == 0:
            made.append(records.ended(name, "oom", "CUDA out of memory."))
            continue
        quality, memory = 0.3 + number % 37 / 100, 4 + number % 61
        made.append(records.ok(name, quality, memory, 3000 + 11 * (number % 997)))
    return records.comparison(made)


def hostile() -> Comparison:
    """Strings that want to be markup, script or layout, wherever a comparison holds text."""
    return injection.comparison(injection.STRINGS[:8] + injection.LONG + injection.FORMULAS)
