"""From layers of configuration to a forecast."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from llmbench import compare, outcome, plan, source
from llmbench.config import Config, Layer, resolve
from llmbench.errors import ConfigError
from llmbench.estimate import gpu
from llmbench.estimate.answer import Answer, Estimate
from llmbench.estimate.ask import EstimateError, ask
from llmbench.estimate.forecast import Forecast, Row, budget_bytes
from llmbench.job import EstimateJob
from llmbench.launcher import Event, Launcher
from llmbench.limit import Timed
from llmbench.plan import Planned
from llmbench.plugin import Registry
from llmbench.record import DataRef
from llmbench.setup import Setup, compositions, defaults
from llmbench.trust import Trust

NO_DATA = DataRef(name="full sequences", examples=0, sha256="")


def set_up(layers: Sequence[Layer], gpu_name: str | None, registry: Registry) -> Setup:
    """Resolve the configuration; the model's architecture is all that is asked of it."""
    first = resolve(layers).config
    environment = gpu.environment(gpu_name)
    trust = Trust(first.trust_remote_code, first.allow_pickles)
    found = source.find(first.model, "random", first.revision, registry, trust)
    resolved = resolve([*defaults(first, environment, found), *layers])
    wanted = [c for c in compositions(resolved.config.strategies, registry) if c.trains]
    if not wanted:
        raise ConfigError("Nothing is trained: name another strategy than 'base'.")
    return Setup(resolved, environment, found, registry, wanted)


def run(setup: Setup, listen: Callable[[Event], None]) -> Forecast:
    """Predict every composition. Raises KeyboardInterrupt where the user ends it."""
    fetched = source.fetch(setup.source, needs_tokenizer=False)
    model = compare.model_ref(replace(fetched, weights=setup.config.weights))
    one_seed = setup.config.model_copy(update={"seeds": 1, "fit": None})
    resolved = setup.resolved.model_copy(update={"config": one_seed})
    cells = plan.make(replace(setup, resolved=resolved), model, (NO_DATA, NO_DATA)).cells
    found = simulate(setup, fetched.weights_location, cells, listen)
    memory_bytes = setup.environment.device_memory_bytes
    return Forecast(setup, [Row(p.cell, found[p.cell.id], memory_bytes) for p in cells])


def simulate(
    setup: Setup, model_source: str, cells: Sequence[Planned], listen: Callable[[Event], None]
) -> dict[str, Estimate]:
    """Estimates by cell id; those that cannot run there have their reason."""
    found = {p.cell.id: Estimate(reason=p.skip or p.broken) for p in cells}
    able = tuple(p.cell for p in cells if not (p.skip or p.broken))
    if not able:
        return found
    with tempfile.TemporaryDirectory(prefix="llmbench-") as name:
        folder = Path(name)
        job = EstimateJob(
            cells=able,
            environment=setup.environment,
            model_source=model_source,
            answer_file=folder / "answer.json",
            budget_bytes=budget_bytes(setup.environment.device_memory_bytes),
        )
        with closing(make_launcher(setup.config, setup.registry)) as launcher:
            return found | ask_or_end(job, launcher, folder / "estimate.log", listen).cells


def ask_or_end(
    job: EstimateJob, launcher: Launcher, log: Path, listen: Callable[[Event], None]
) -> Answer:
    """The worker's answer; KeyboardInterrupt where the user has ended it."""
    with outcome.interruptions(launcher) as stopped:
        try:
            return ask(job, launcher, log, listen)
        except EstimateError:
            if stopped():
                raise KeyboardInterrupt from None
            raise


def make_launcher(config: Config, registry: Registry) -> Timed:
    """The launcher that is asked for; one job needs no process to fork from."""
    name = "spawn" if config.launcher == "auto" else config.launcher
    update = {"launcher": name, "cell_timeout": None}
    return compare.make_launcher(config.model_copy(update=update), registry)
