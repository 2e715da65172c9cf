"""The plan: every cell of a comparison, each to be run or skipped with a reason."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from llmbench import plugin
from llmbench.config import rate
from llmbench.config.composition import Composition
from llmbench.config.config import Config
from llmbench.config.rate import Rate
from llmbench.config.setup import Setup
from llmbench.errors import ConfigError
from llmbench.machine import Environment
from llmbench.plugin import code, named
from llmbench.plugin.blame import blamed, sentence
from llmbench.plugin.metric import Metric, Named
from llmbench.record.comparison import Plan, Planned
from llmbench.record.record import Budget, Cell, DataRefs, Member, ModelRef
from llmbench.record.settings import difference
from llmbench.redact import records
from llmbench.source.model import path_of

DIGITS = 12
"""Hexadecimal digits that are kept of a digest."""


def make(
    setup: Setup, model: ModelRef, data: DataRefs, tuned: Mapping[str, float] | None = None
) -> Plan:
    """Lay out the cells, seed by seed, so that whatever drifts while they run hits all alike.

    In every seed another comes first, so that no place in the order is always the same one's. Those
    of the frontier come last, of the first seed alone. `tuned` has the learning rates that
    were searched for, by arithmetic.
    """
    seeds = setup.config.every_seed
    equal = [(c, s, None) for n, s in enumerate(seeds) for c in turned(setup, n, len(seeds))]
    fitted = [(c, seeds[0], budget) for c, budget in setup.fitted]
    planned = []
    for composition, seed, fit in (*equal, *fitted):
        chosen = rate.of(setup, composition, tuned or {}) if composition.trains else None
        cell = make_cell(setup, composition, seed, model, data, fit, chosen)
        planned.append(outlined(setup, composition, cell))
    return Plan(cells=tuple(planned), repeats=int(setup.repeats))


def turned(setup: Setup, number: int, seeds: int) -> Sequence[Composition]:
    """The order of one of so many seeds: the base first, then the rest, each seed begun elsewhere.

    The places where seeds begin are spread over the list, so that one of three is not always late.
    """
    base = [c for c in setup.compositions if not c.trains]
    rest = [c for c in setup.compositions if c.trains]
    first = number * max(1, len(rest) // seeds) % max(1, len(rest))
    return [*base, *rest[first:], *rest[:first]]


def once_more(planned: Planned) -> Planned:
    """The same cell to be run again."""
    cell = planned.cell
    again = cell.model_copy(update={"id": f"{cell.id}.again", "repeat": 1})
    return planned.model_copy(update={"cell": again})


def pilot(planned: Planned) -> Planned:
    """The same cell, to see how long it takes and for nothing else."""
    cell = planned.cell
    only = cell.model_copy(update={"id": f"{cell.id}.pilot", "pilot": True})
    return planned.model_copy(update={"cell": only})


def outlined(setup: Setup, composition: Composition, cell: Cell) -> Planned:
    """The cell, with the reason why it will not run, if there is one."""
    outlook = setup.outlook(composition)
    return Planned(cell=cell, skip=outlook.skip, broken=outlook.broken)


def make_cell(
    setup: Setup,
    wanted: Composition,
    seed: int,
    model: ModelRef,
    data: DataRefs,
    fit: Budget | None = None,
    rate: Rate | None = None,
    tuning: bool = False,
) -> Cell:
    """One cell, its id made from its content."""
    config = setup.config
    settings = setup.outlook(wanted).settings
    if rate:
        settings = settings.model_copy(update={"learning_rate": rate.value})
    fields: dict[str, Any] = {
        "composition": wanted.id,
        "members": tuple(member(m) for m in wanted.members),
        "trains": wanted.trains,
        "model": model,
        "task": named.spelled(config.task),
        "train_data": data.train,
        "eval_data": data.evaluate,
        "validation_data": data.validation,
        "metrics": config.metrics,
        "code": code_digests(config),
        "seed": seed,
        "settings": settings,
        "declared": difference(config.settings, settings),
        "shared": difference(settings, config.settings),
        "fit": fit,
        "arithmetic": wanted.arithmetic.id,
        "rate": rate and rate.origin,
        "tuning": tuning,
    }
    content = Cell(id="", **fields).model_dump(mode="json", exclude={"rate", "repeat", "pilot"})
    for of in ("train_data", "eval_data", "validation_data"):
        if content[of]:
            content[of].pop("name")  # the same data under another name are the same
    name = _name(wanted.id, fit, rate if tuning else None)
    return Cell(id=cell_id(name, model.id, seed, content, setup.environment), **fields)


def _name(composition: str, fit: Budget | None, tried: Rate | None) -> str:
    """What a cell's id starts with: `lora`, `lora.fit-16GiB-seq-len` or `lora.lr-0.0002`."""
    name = slug(records.id_part(composition))
    if tried:
        return f"{name}.lr-{slug(f'{tried.value:.2g}')}"
    return name if fit is None else f"{name}.{slug(fit.name)}"


def code_digests(config: Config) -> dict[str, str]:
    """What decides what the task and the metrics do, beyond what they are called."""
    registry = plugin.registry()
    task = named.task(config.task)
    digests = {
        f"task {task.id}": registry.tasks.entries[task.id].source.distribution,
        "prompt": digest(task.template.encode()),
        f"code of task {task.id}": code.digest(task),
    }
    for name in config.metrics:
        asked = Named.read(name)
        entry = registry.metrics.entries[asked.id]
        digests[f"metric {asked.id}"] = entry.source.distribution
        digests[f"code of metric {asked.id}"] = code.digest(entry.item)
        digests |= {f"version of {package}": number for package, number in versions(entry.item)}
        if asked.argument and (content := script(asked.argument)):
            digests[f"file of {name}"] = digest(content)
    return digests


def versions(kind: type[Metric]) -> Iterator[tuple[str, str]]:
    """The packages that a metric scores with, as far as they are distributions of that name."""
    for package in dict.fromkeys(module.partition(".")[0] for module in kind.modules):
        with contextlib.suppress(PackageNotFoundError):
            yield package, version(package)


def script(argument: str) -> bytes:
    """What is in the file that a metric's argument names, if it names one: a script, or a text."""
    path = path_of(argument)
    if path is None or not path.is_file():
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The metric's file '{argument}' cannot be read ({error.strerror}): check the path."
        ) from error


def digest(content: bytes) -> str:
    """The start of a SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def member(strategy: Any) -> Member:
    """What a record keeps of a strategy."""
    shipped = plugin.registry().strategies.entries[strategy.id].source
    return Member(
        id=strategy.id,
        options=strategy.model_dump(mode="json"),
        distribution=shipped.distribution,
        group=strategy.group,
        bundle=tuple(map(str, strategy.bundle)),
        brings=strategy.brings(),
        also_claims=tuple(sorted(strategy.also_claims)),
        code=code.digest(strategy),
        starts_elsewhere=_elsewhere(strategy) or "",
        objective=strategy.objective,
    )


def _elsewhere(strategy: Any) -> str | None:
    with blamed("strategy", strategy.id, "starts_elsewhere"):
        return sentence(strategy.starts_elsewhere())


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
