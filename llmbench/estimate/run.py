"""From layers of configuration to a forecast."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from llmbench import plugin
from llmbench.config import plan
from llmbench.config.config import Layer
from llmbench.config.setup import Setup, resolved
from llmbench.errors import ConfigError
from llmbench.estimate import forecast
from llmbench.estimate.forecast import Forecast, Prediction, budget_bytes
from llmbench.estimate.foresight import with_saving
from llmbench.machine import usable_cpus
from llmbench.record.comparison import Planned
from llmbench.record.events import Estimated, Event, Say
from llmbench.record.record import Cell, DataRef, DataRefs
from llmbench.source import model
from llmbench.source.digest import model_ref
from llmbench.workers.job import Estimate, EstimateJob
from llmbench.workers.launch import Workers, make_workers
from llmbench.workers.outcome import EstimateError, answer_of
from llmbench.workers.signals import Interruption

MOST_PROCESSES = 4
"""How many simulate side by side, at most."""
NO_DATA = DataRef(name="full sequences", examples=0, sha256="")


def set_up(layers: Sequence[Layer], gpu_name: str | None) -> Setup:
    """Resolve the configuration; the model's architecture is all that is asked of it."""
    setup = resolved(layers, forecast.environment(gpu_name), weights="random")
    trained = [c for c in setup.compositions if c.trains]
    if not trained:
        raise ConfigError("Nothing is trained: name another strategy than 'base'.")
    return replace(setup, compositions=trained)


def run(setup: Setup, listen: Say) -> Forecast:
    """Predict every composition. Raises KeyboardInterrupt where the user ends it."""
    fetched = model.fetch(setup.source, needs_tokenizer=False)
    reference = model_ref(replace(fetched, weights=setup.config.weights))
    one_seed = setup.config.model_copy(update={"seeds": 1, "fit": None})
    setup = replace(setup, resolved=setup.resolved.model_copy(update={"config": one_seed}))
    cells = plan.make(setup, reference, DataRefs(NO_DATA, NO_DATA)).cells
    estimates = simulate(setup, fetched.weights_location, cells, listen)
    rows = rows_of(setup, cells, estimates)
    added = ways_out(setup, rows)
    if added:
        estimates = simulate(setup, fetched.weights_location, added, listen)
        rows = [*rows, *rows_of(setup, added, estimates)]
    return Forecast(setup, rows, frozenset(p.cell.composition for p in added))


def rows_of(
    setup: Setup, cells: Sequence[Planned], estimates: Mapping[str, Estimate]
) -> list[Prediction]:
    """A row for each cell."""
    memory_bytes = setup.environment.device_memory_bytes
    return [Prediction(p.cell, estimates[p.cell.id], memory_bytes) for p in cells]


def ways_out(setup: Setup, rows: Sequence[Prediction]) -> list[Planned]:
    """What to predict as well where nothing fits: the same with gradient checkpointing."""
    if any(r.fits != "no" for r in rows):
        return []
    known = {r.cell.composition for r in rows}
    saved = with_saving(setup, [r.cell for r in rows])
    return [Planned(cell=c) for c in saved if c.composition not in known]


def simulate(
    setup: Setup, model_source: str, cells: Sequence[Planned], listen: Say
) -> dict[str, Estimate]:
    """Estimates by cell id; those that cannot run there have their reason."""
    estimates = {p.cell.id: Estimate(reason=p.skip or p.broken) for p in cells}
    able = tuple(p.cell for p in cells if not (p.skip or p.broken))
    if not able:
        return estimates
    with tempfile.TemporaryDirectory(prefix="llmbench-") as name:
        job = make_job(setup, model_source, able, Path(name))
        workers = make_workers(setup.config.launcher, once=True)
        with closing(workers):
            return estimates | answers(job, workers, listen)


def processes_for(cells: int) -> int:
    """How many processes are of use: each takes a core."""
    return min(cells, MOST_PROCESSES, usable_cpus())


def make_job(setup: Setup, model_source: str, cells: tuple[Cell, ...], folder: Path) -> EstimateJob:
    """What the worker has to know."""
    return EstimateJob(
        cells=cells,
        environment=setup.environment,
        model_source=model_source,
        answer_file=folder / "answer.json",
        plugin_files=plugin.files(),
        budget_bytes=budget_bytes(setup.environment.device_memory_bytes),
        processes=processes_for(len(cells)),
    )


def answers(job: EstimateJob, workers: Workers, listen: Say) -> dict[str, Estimate]:
    """The worker's answer; KeyboardInterrupt where the user has ended it."""

    def hear(event: Event) -> None:
        if isinstance(event, Estimated):
            listen(event)

    log = job.answer_file.with_name("estimate.log")
    with Interruption() as interruption, interruption.reaching(workers):
        outcome = workers.run(job, log, hear)
        try:
            return answer_of(job, outcome).cells
        except EstimateError:
            if interruption.asked:
                raise KeyboardInterrupt from None
            raise
