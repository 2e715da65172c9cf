"""The plan: every cell of a comparison, each to be run or skipped with a reason."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from llmbench import composition
from llmbench.composition import Composition
from llmbench.config import Config
from llmbench.environment import Environment
from llmbench.plugin import Registry
from llmbench.record import Cell, DataRef, Member, ModelRef
from llmbench.setting import difference

BASE = "base"
"""The composition that trains nothing: what the others are held against."""


class Planned(BaseModel):
    """A cell, and why it will not run, if it will not."""

    model_config = ConfigDict(frozen=True)

    cell: Cell
    skip: str | None = None


class Plan(BaseModel):
    """The cells in the order in which they run."""

    model_config = ConfigDict(frozen=True)

    cells: tuple[Planned, ...]


def compositions(texts: Sequence[str], registry: Registry) -> list[Composition]:
    """The compositions that the texts name, each once, the untrained base model first."""
    find = registry.strategies.get
    wanted = [t for text in texts for t in _expand(text, registry)]
    return composition.unique([composition.read(t, find) for t in [BASE, *wanted]])


def make(
    config: Config,
    model: ModelRef,
    data: tuple[DataRef, DataRef],
    environment: Environment,
    registry: Registry,
) -> Plan:
    """Lay out the cells. `data` is what to train on and what to evaluate on."""
    planned = []
    for wanted in compositions(config.strategies, registry):
        cell = make_cell(config, wanted, model, data, environment, registry)
        planned.append(Planned(cell=cell, skip=wanted.skip(cell.settings, environment)))
    return Plan(cells=tuple(planned))


def make_cell(
    config: Config,
    wanted: Composition,
    model: ModelRef,
    data: tuple[DataRef, DataRef],
    environment: Environment,
    registry: Registry,
) -> Cell:
    """One cell, its id made from its content."""
    settings = wanted.adjust(config.settings, environment)
    fields: dict[str, Any] = {
        "composition": wanted.id,
        "members": tuple(member(m, registry) for m in wanted.members),
        "trains": wanted.trains,
        "model": model,
        "task": config.task,
        "train_data": data[0],
        "eval_data": data[1],
        "metrics": config.metrics,
        "seed": config.seed,
        "settings": settings,
        "declared": difference(config.settings, settings),
    }
    content = Cell(id="", **fields).model_dump(mode="json")
    return Cell(id=cell_id(wanted.id, model.id, config.seed, content, environment), **fields)


def member(strategy: Any, registry: Registry) -> Member:
    """What a record keeps of a strategy."""
    source = registry.strategies.entries[strategy.id].source
    return Member(
        id=strategy.id,
        options=strategy.model_dump(mode="json"),
        distribution=source.distribution,
    )


def cell_id(
    name: str, model: str, seed: int, content: dict[str, Any], environment: Environment
) -> str:
    """`lora+4-bit.llmbench-tiny.s0.3f2a91c04d5e`: readable, and different for other content."""
    where = environment.model_dump(include={"device_name", "versions"})
    text = json.dumps([content, where], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{slug(name)}.{slug(model)}.s{seed}.{digest}"


def slug(text: str) -> str:
    """The text as part of a file name."""
    return re.sub(r"[^A-Za-z0-9+_-]+", "-", text).strip("-")[:60]


def _expand(text: str, registry: Registry) -> list[str]:
    if text != "all":
        return [text]
    return [name for name, strategy in registry.strategies.items().items() if strategy.in_all]
