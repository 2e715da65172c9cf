"""Many small comparisons of two strategies on the tiny model, run as one with many seeds.

Each comparison takes the next few seeds, so that its cells see batches of their own, and cells of
the two strategies run in turn. On one core, whatever the machine has.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

import distribution  # noqa: E402 - of the tests

from llmbench.record.variant import Variant  # noqa: E402
from llmbench.storage.store import Store  # noqa: E402

SETTINGS = {
    "steps": 24,
    "burn-in-steps": 4,
    "batch-size": 2,
    "seq-len": 64,
    "eval-examples": 24,
    "eval-batch-size": 24,
    "max-new-tokens": 12,
}
PLUGIN = """
from llmbench import hookimpl
from llmbench_strategies.lora import Lora


class One(Lora):
    id, summary = "one", "LoRA"


class Other(Lora):
    id, summary = "other", "LoRA too, {what}"

{body}

@hookimpl
def register_strategies(register):
    register(One)
    register(Other)
"""


def parse(doc: str | None, comparisons: int) -> argparse.Namespace:
    """The options that the scripts share."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--comparisons", type=int, default=comparisons)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each comparison")
    parser.add_argument("--output", type=Path, help="keep the records here, and go on from them")
    return parser.parse_args()


def run(
    what: str, body: str, args: argparse.Namespace, **settings: int
) -> list[tuple[Variant, Variant]]:
    """Run strategy `one` against `other`, LoRA with this body; a variant of each per comparison."""
    with tempfile.TemporaryDirectory() as folder:
        output = args.output or Path(folder) / "output"
        distribution.install(Path(folder), "twins", PLUGIN.format(what=what, body=body))
        given = SETTINGS | settings | {"seeds": args.comparisons * args.seeds}
        options = [f"--{k}={v}" for k, v in {**given, "output": output}.items()]
        command = [sys.executable, "-m", "llmbench", "compare", "--quiet", "--strategies=one,other"]
        subprocess.run([*command, *options], env=_environment(folder), check=True)
        return list(_pairs(Store(output), args.seeds))


def _environment(folder: str) -> dict[str, str]:
    held = os.environ | {"OMP_NUM_THREADS": "1"}
    return held | {"PYTHONPATH": os.pathsep.join([folder, *filter(None, [held.get("PYTHONPATH")])])}


def _pairs(store: Store, seeds: int) -> Iterator[tuple[Variant, Variant]]:
    records = store.read().records
    one, other = (
        [r for r in records if r.cell.composition == name and r.status == "ok"]
        for name in ("one", "other")
    )
    for start in range(0, len(one), seeds):
        yield (
            Variant(tuple(one[start : start + seeds])),
            Variant(tuple(other[start : start + seeds])),
        )
