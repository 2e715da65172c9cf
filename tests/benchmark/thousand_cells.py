"""A thousand cells on 64 pretended GPUs, of which one in twenty fails: what llmbench itself takes.

    python tests/benchmark/thousand_cells.py

A launcher that runs nothing writes each cell's record at once, lets it run out of memory, or loses
its machine; the rest is what a comparison does: plan, 64 lanes, store, retries, report. Prints the
seconds of all that, of reading the records, and of rendering the report of them.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "run")]

from records import ok  # noqa: E402 - of the tests
from scripted import Heard  # noqa: E402

from llmbench import plugin  # noqa: E402
from llmbench.config.setup import set_up  # noqa: E402
from llmbench.files import write_text  # noqa: E402
from llmbench.output.html.page import render  # noqa: E402
from llmbench.plugin.catalogue import Plugin  # noqa: E402
from llmbench.plugin.launcher import Launcher, WorkerLost  # noqa: E402
from llmbench.record.events import Started  # noqa: E402
from llmbench.record.record import Shortage  # noqa: E402
from llmbench.run import comparison  # noqa: E402
from llmbench.storage.export import Written  # noqa: E402
from llmbench.storage.store import Store  # noqa: E402
from llmbench.workers.job import Job  # noqa: E402

Result = TypeVar("Result")
SEEDS, METHODS, LANES = 5, 199, 64
"""With the untrained model, 200 methods of five seeds each."""
FAILING = 0.05
"""The share of cells that fail: half of them run out of memory, half lose their machine once."""


class Pretended(Launcher):
    """Cells that end at once, as their ids decide."""

    id, summary, elsewhere = "pretended", "no process at all", True

    def run(self, job, log, on_event):
        told = Job.model_validate_json(job.read_text())
        on_event(Started())
        chance = random.Random(told.cell.id)
        if chance.random() < FAILING:
            if chance.random() < 0.5:
                return self.run_out(told)
            if told.attempt == 1:
                raise WorkerLost("The machine of this cell was lost.")
        quality, memory = 0.4 + 0.1 * chance.random(), 20 + 30 * chance.random()
        self.leave(told, quality=quality, memory_gib=memory, tokens_per_second=9000.0)
        return 0

    def run_out(self, told):
        shortage = Shortage(where="cuda", total_bytes=80 * 2**30)
        self.leave(told, status="oom", phase="train", shortage=shortage)
        return 0

    def leave(self, told, **values):
        record = ok(told.cell.composition, cell=told.cell, device="cpu", **values)
        record = record.model_copy(update={"environment": told.environment})
        write_text(told.record_file, record.model_dump_json())

    def interrupt(self):
        pass

    def close(self):
        pass


def main() -> None:
    plugin.registry().launchers.add("pretended", Pretended, Plugin("test", "test"))
    comparison.export = lambda compared, directory: Written([], [])  # timed by itself below
    with tempfile.TemporaryDirectory() as folder:
        setup = set_up([("asked", asked(folder))])
        finished, ran = timed(lambda: comparison.run(setup, "llmbench compare", Heard()))
        compared, read = timed(lambda: Store(finished.directory).read())
        html, rendered = timed(lambda: render(compared))
    ends = Counter(r.status for r in compared.records)
    again = sum(bool(r.earlier) for r in compared.records)
    say(f"{len(compared.records):,} cells: {dict(ends)}, {again} of them run once more")
    say(f"the comparison without its cells, on {LANES} lanes: {ran}")
    say(f"reading the records: {read}")
    say(f"rendering the report, of {len(html.encode()) / 2**20:.1f} MiB: {rendered}")


def timed(does: Callable[[], Result]) -> tuple[Result, str]:
    """What that returns, and how long it took."""
    began = time.perf_counter(), time.process_time()
    result = does()
    wall, processor = time.perf_counter() - began[0], time.process_time() - began[1]
    return result, f"{wall:.1f} s, of the processor {processor:.1f} s"


def say(line: str) -> None:
    """Print it."""
    print(line)  # noqa: T201


def asked(folder: str) -> dict[str, object]:
    """The options of the comparison."""
    return {
        "launcher": "pretended",
        "jobs": LANES,
        "device": "cpu",
        "strategies": ",".join(f"lora(r={n})" for n in range(1, METHODS + 1)),
        "seeds": SEEDS,
        "tune": False,
        "predict": False,
        "output": str(Path(folder) / "output"),
    }


if __name__ == "__main__":
    main()
