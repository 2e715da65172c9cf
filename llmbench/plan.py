"""The plan: every cell of a comparison, each to be run or skipped with a reason."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict

from llmbench import metric
from llmbench.composition import Composition
from llmbench.config import Config
from llmbench.environment import Environment
from llmbench.errors import ConfigError
from llmbench.fetch import place
from llmbench.plugin import Registry
from llmbench.record import Budget, Cell, DataRef, Member, ModelRef
from llmbench.redact import part
from llmbench.setting import difference
from llmbench.setup import Setup

DIGITS = 12
"""Of a digest: enough that no two contents share them by accident."""


class Planned(BaseModel):
    """A cell, and why it will not run, if it will not: skipped, or failed before it starts."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    cell: Cell
    skip: str | None = None
    broken: str | None = None


class Plan(BaseModel):
    """The cells in the order in which they run."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    cells: tuple[Planned, ...]


def make(setup: Setup, model: ModelRef, data: tuple[DataRef, DataRef]) -> Plan:
    """Lay out the cells, seed by seed, so that whatever drifts while they run hits all alike.

    Those of the frontier come last, of the first seed alone. `data` is what to train on and what
    to evaluate on.
    """
    seeds = setup.config.every_seed
    equal = [(c, seed, None) for seed in seeds for c in setup.compositions]
    fitted = [(c, seeds[0], budget) for c, budget in setup.fitted]
    planned = []
    for composition, seed, fit in (*equal, *fitted):
        cell = make_cell(setup, composition, seed, model, data, fit)
        found = composition.outlook(setup.config.settings, setup.environment)
        planned.append(Planned(cell=cell, skip=found.skip, broken=found.broken))
    return Plan(cells=tuple(planned))


def make_cell(
    setup: Setup,
    wanted: Composition,
    seed: int,
    model: ModelRef,
    data: tuple[DataRef, DataRef],
    fit: Budget | None = None,
) -> Cell:
    """One cell, its id made from its content."""
    config = setup.config
    settings = wanted.outlook(config.settings, setup.environment).settings
    fields: dict[str, Any] = {
        "composition": wanted.id,
        "members": tuple(member(m, setup.registry) for m in wanted.members),
        "trains": wanted.trains,
        "model": model,
        "task": config.task,
        "train_data": data[0],
        "eval_data": data[1],
        "metrics": config.metrics,
        "code": code(config, setup.registry),
        "seed": seed,
        "settings": settings,
        "declared": difference(config.settings, settings),
        "shared": difference(settings, config.settings),
        "fit": fit,
    }
    content = Cell(id="", **fields).model_dump(mode="json")
    for of in ("train_data", "eval_data"):
        content[of].pop("name")  # the same data under another name are the same
    name = cell_id(_name(wanted.id, fit), model.id, seed, content, setup.environment)
    return Cell(id=name, **fields)


def _name(composition: str, fit: Budget | None) -> str:
    """What a cell's id starts with: `lora`, `lora.fit-16GiB` or `lora.fit-16GiB-seq-len`."""
    if fit is None:
        return slug(part.id_part(composition))
    return f"{_name(composition, None)}.{slug(fit.name)}"


def code(config: Config, registry: Registry) -> dict[str, str]:
    """What decides what the task and the metrics do, beyond what they are called."""
    task = registry.tasks.entries[config.task]
    found = {
        f"task {config.task}": task.source.distribution,
        "prompt": digest(task.item.template.encode()),
    }
    for name in config.metrics:
        head, argument = metric.split(name)
        entry = registry.metrics.entries[head]
        found[f"metric {head}"] = entry.source.distribution
        if argument and entry.item.local_code(argument):
            found[f"script of {name}"] = digest(script(argument))
    return found


def script(argument: str) -> bytes:
    """What a metric's script says; nothing where the metric's argument is no file's name."""
    path = place.found(argument)
    if path is None or not path.is_file():
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The metric script '{argument}' cannot be read ({error.strerror}): check the path."
        ) from error


def digest(content: bytes) -> str:
    """The start of a SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def member(strategy: Any, registry: Registry) -> Member:
    """What a record keeps of a strategy."""
    source = registry.strategies.entries[strategy.id].source
    return Member(
        id=strategy.id,
        options=strategy.model_dump(mode="json"),
        distribution=source.distribution,
        group=strategy.group,
        bundle=tuple(map(str, strategy.bundle)),
        also_claims=tuple(sorted(strategy.also_claims)),
    )


def cell_id(
    name: str, model: str, seed: int, content: dict[str, Any], environment: Environment
) -> str:
    """`lora+4-bit.llmbench-tiny.s0.3f2a91c04d5e`: readable, and different for other content."""
    where = environment.model_dump(include={"device_name", "versions"})
    text = json.dumps([content, where], sort_keys=True, separators=(",", ":"))
    return f"{name}.{slug(model)}.s{seed}.{digest(text.encode())}"


def slug(text: str) -> str:
    """The text as part of a file name."""
    return re.sub(r"[^A-Za-z0-9+_-]+", "-", text).strip("-")[:60]
