"""A comparison on a GPU that predicts its cells' memory before it runs them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from records import GIB, environment, ok

from llmbench.config import setup
from llmbench.config.setup import set_up
from llmbench.files import write_text
from llmbench.output.csv_json import rows
from llmbench.plugin.catalogue import Plugin
from llmbench.plugin.launcher import Launcher
from llmbench.record import events
from llmbench.record.events import Event, Predicting
from llmbench.record.record import Cell, MemoryParts, Shortage
from llmbench.run import comparison
from llmbench.storage.export import Written
from llmbench.storage.store import Store
from llmbench.workers import launch
from llmbench.workers.job import Answer, Estimate, EstimateJob, read

MEMORY = 24
"""GiB of the GPU."""


def needs(gib: float) -> Estimate:
    return Estimate(parts=MemoryParts(weights_bytes=int(gib * GIB)))


class Scripted(Launcher):
    """Predicts what the test says, and ends every cell well."""

    id, summary = "scripted", "no process at all"
    predicted: ClassVar[dict[str, Estimate]] = {}
    ends: ClassVar[dict[str, dict[str, Any]]] = {}
    fails: ClassVar[Callable[[EstimateJob], int] | None] = None
    latest: ClassVar[Scripted]

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.asked: list[EstimateJob] = []
        self.interrupted = False
        type(self).latest = self

    def run(self, job: Path, log: Path, on_event: Any) -> int:
        told = read(job.read_text())
        on_event(events.Started())
        if isinstance(told, EstimateJob):
            self.asked.append(told)
            return self.predict(told, on_event)
        self.ran.append(told.cell.composition)
        record = ok("lora", cell=told.cell, **self.ends.get(told.cell.composition, {}))
        write_text(told.record_file, record.model_dump_json())
        return 0

    def predict(self, job: EstimateJob, on_event: Any) -> int:
        if self.fails:
            return type(self).fails(job)  # type: ignore[misc]
        on_event(events.Estimated(done=1, total=len(job.cells)))
        found = {c.id: self.predicted.get(c.composition, needs(1)) for c in job.cells}
        job.answer_file.write_text(Answer(cells=found).model_dump_json())
        return 0

    def interrupt(self) -> None:
        self.interrupted = True

    def close(self) -> None: ...


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.records: list[tuple[str, str, bool]] = []

    def start(self, plan: Any, root: Path) -> None: ...

    def replan(self, plan: Any) -> None: ...

    def cell(self, cell: Any) -> None:
        self.events.append(cell)

    def event(self, event: Event, cell: Any = None) -> None:
        self.events.append(event)

    def record(self, record: Any, kept: bool) -> None:
        self.records.append((record.cell.composition, record.status, kept))


@pytest.fixture
def run(registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a comparison on a GPU of 24 GiB; gives records by composition, and what was heard."""
    registry.launchers.add("scripted", Scripted, Plugin("test", "test"))
    where = environment(device_name="GPU X", device_memory_bytes=MEMORY * GIB)
    monkeypatch.setattr(setup, "collect", lambda device: where)
    monkeypatch.setattr(Scripted, "fails", None)
    monkeypatch.setattr(comparison, "export", lambda found, directory: Written([], []))

    def start(predicted: dict[str, Estimate] | None = None, **values: Any) -> Any:
        monkeypatch.setattr(Scripted, "predicted", predicted or {})
        asked = {
            "model": "gpt2",
            "weights": "random",
            "launcher": "scripted",
            "strategies": "full,lora",
            "shared_gpu": True,
            "output": str(tmp_path / "out"),
        }
        heard = Heard()
        made = set_up([("test", asked | values)])
        finished = comparison.run(made, "llmbench compare", heard)
        assert finished.interrupted == Scripted.latest.interrupted
        return {r.cell.composition: r for r in finished.comparison.records}, heard

    return start


def test_every_record_has_what_was_predicted(run: Any) -> None:
    records, heard = run({"full": needs(20), "lora": Estimate(reason="No shape.")})
    assert records["full"].predicted == needs(20).parts
    assert records["lora"].predicted is None
    assert records["base"].predicted == needs(1).parts
    assert {r.status for r in records.values()} == {"ok"}
    assert [e for e in heard.events if isinstance(e, Predicting)] == [
        Predicting(done=0, total=3),
        Predicting(done=1, total=3),
    ]
    kinds = [type(e) for e in heard.events]
    assert kinds.index(Predicting) < kinds.index(Cell) < kinds.index(events.Started)


def test_it_is_in_the_results(run: Any, tmp_path: Path) -> None:
    run({"full": needs(20)})
    found = {r["strategy"]: r for r in rows(Store(tmp_path / "out").read())}
    assert found["full"]["predicted_peak_memory_bytes"] == 20 * GIB


def test_a_cell_that_cannot_fit_is_not_run_and_says_what_would(run: Any) -> None:
    records, _ = run({"full": needs(60), "lora": needs(20)})
    assert Scripted.latest.ran == ["base", "lora"]
    assert (records["full"].status, records["full"].phase) == ("skipped", None)
    assert records["full"].reason == (
        "It is predicted to need 60.0 GiB, and GPU X has 24.0 GiB: take lora, which is predicted "
        "to fit (20.0 GiB), or run it all the same (--no-predict)."
    )
    assert records["full"].predicted == needs(60).parts
    assert len(Scripted.latest.asked) == 1


def test_a_cell_whose_states_are_too_large_is_told_of_the_precision_that_takes_least(
    run: Any,
) -> None:
    records, _ = run({"full": needs(60), "lora": needs(20)}, precision="bf16-master")
    assert "train in --precision bf16-stochastic, or run it all the same" in records["full"].reason


@pytest.mark.parametrize(("gib", "status"), [(25, "ok"), (26.4, "ok"), (26.5, "skipped")])
def test_only_what_is_far_beyond_the_memory_is_not_tried(run: Any, gib: float, status: str) -> None:
    records, _ = run({"lora": needs(gib)})
    assert records["lora"].status == status


@pytest.mark.parametrize(
    ("phase", "total", "instead"),
    [
        ("train", MEMORY, "lora"),
        ("load", MEMORY, "lora"),
        ("train", 18, "qlora"),
        ("train", 4, None),
        ("evaluate", MEMORY, None),
    ],
)
def test_a_cell_that_ran_out_of_memory_is_told_what_would_fit(
    run: Any, monkeypatch: pytest.MonkeyPatch, phase: str, total: int, instead: str | None
) -> None:
    """Of those that need less than it does, the one that gives up least."""
    shortage = Shortage(where="cuda", asked_bytes=GIB, free_bytes=0, total_bytes=total * GIB)
    ended = {"status": "oom", "phase": phase, "shortage": shortage}
    monkeypatch.setattr(Scripted, "ends", {"lora+8-bit": ended})
    needed = {"full": 22.5, "lora+8-bit": 21, "lora": 20, "qlora": 9}
    records, _ = run({k: needs(v) for k, v in needed.items()}, strategies=",".join(needed))
    record = records["lora+8-bit"]
    assert record.shortage.instead == instead
    assert ("predicted to fit" in record.reason) == (instead is not None)


def test_where_nothing_fits_checkpointing_is_tried(run: Any) -> None:
    records, _ = run(
        {"lora": needs(60), "lora+gradient-checkpointing": needs(9)}, strategies="lora"
    )
    assert "take lora+gradient-checkpointing, which is predicted to fit (9.0 GiB)" in (
        records["lora"].reason
    )
    second = Scripted.latest.asked[1]
    assert [c.composition for c in second.cells] == ["lora+gradient-checkpointing"]


def test_where_nothing_helps_it_says_so(run: Any) -> None:
    large = {"full": needs(60), "full+gradient-checkpointing": needs(50)}
    records, _ = run(large, strategies="full,gradient-checkpointing")
    assert {r.status for r in records.values()} == {"ok", "skipped"}
    for name in large:
        assert "nothing of this plan is predicted to fit" in records[name].reason
        assert "--batch-size or --seq-len" in records[name].reason


def test_a_cell_that_was_skipped_so_stays_skipped(run: Any) -> None:
    run({"full": needs(60)})
    records, heard = run({"full": needs(60)})
    assert ("full", "skipped", True) in heard.records
    assert records["full"].attempt == 1
    assert [c.composition for c in Scripted.latest.asked[0].cells] == ["full"]


def test_no_predict_runs_it_all_the_same(run: Any) -> None:
    run({"full": needs(60)})
    records, _ = run({"full": needs(60)}, predict=False)
    assert records["full"].status == "ok"
    assert records["full"].predicted is None
    assert Scripted.latest.asked == []


def test_what_was_measured_before_is_not_predicted_again(run: Any) -> None:
    run()
    _, heard = run()
    assert Scripted.latest.asked == []
    assert all(kept for *_, kept in heard.records)


def test_on_a_cpu_nothing_is_predicted(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "collect", lambda device: environment("cpu"))
    records, _ = run()
    assert Scripted.latest.asked == []
    assert {r.predicted for r in records.values()} == {None}


def test_cells_of_the_frontier_have_a_size_of_their_own(run: Any) -> None:
    run({}, fit="8GiB")
    assert {c.composition for c in Scripted.latest.asked[0].cells} == {"base", "full", "lora"}
    assert all(c.fit is None for c in Scripted.latest.asked[0].cells)


@pytest.mark.parametrize(
    "fails", [lambda job: 1, lambda job: 1 / 0, lambda job: job.answer_file.write_text("{") * 0]
)
def test_a_failure_to_predict_stops_nothing(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Any
) -> None:
    monkeypatch.setattr(Scripted, "fails", staticmethod(fails))
    records, heard = run()
    assert {r.status for r in records.values()} == {"ok"}
    assert {r.predicted for r in records.values()} == {None}
    (said,) = (e.reason for e in heard.events if isinstance(e, events.Unpredicted))
    assert said.endswith(" They run all the same.")
    assert Store(tmp_path / "out").read().header.notices[-1] == said


def test_predicting_takes_nothing_of_a_cell_s_time(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []
    wind = launch.Clock._wind
    monkeypatch.setattr(
        launch.Clock, "_wind", lambda self, extra: (limits.append(self._limit), wind(self, extra))
    )
    run({"full": needs(20)}, cell_timeout="10m")
    assert limits[0] is None
    assert limits[-1] == 600


def test_ctrl_c_while_predicting_ends_the_comparison(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(job: EstimateJob) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return 130

    monkeypatch.setattr(Scripted, "fails", staticmethod(interrupted))
    run()
    assert Scripted.latest.interrupted
    assert Scripted.latest.ran == []
    assert list((tmp_path / "out" / "records").iterdir()) == []
    assert not (tmp_path / "out" / ".work").exists()


def test_the_job_knows_how_long_the_texts_are(run: Any, model_folder: Path, tmp_path: Path) -> None:
    run({}, model=str(model_folder), weights="pretrained", strategies="lora")
    job = Scripted.latest.asked[0]
    assert job.tokenizer_source == str(model_folder)
    assert job.train_file == tmp_path / "out" / "data" / "train.jsonl"
    assert job.train_file.is_file()
    assert job.budget_bytes is None
