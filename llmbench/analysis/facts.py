"""What a cell's figures depend on beyond its strategies and its seed, and where that differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from llmbench import text
from llmbench.machine import PACKAGES, Environment
from llmbench.record.record import Cell, DataRef, Record
from llmbench.record.settings import ADJUSTABLE
from llmbench.record.variant import Variant

DIGEST = 8
"""Hexadecimal digits of a hash that are shown."""
OTHERWISE = (
    "Runs that differ in model, data, settings or options do not compare with each other: what "
    "sets them apart is more than their methods."
)
MOST_VALUES = 4
"""Values of one fact that a sentence lists."""


@dataclass(frozen=True)
class Difference:
    """A fact that is not the same everywhere: each value, and the groups of records it is in."""

    name: str
    values: Mapping[str, Sequence[str]]
    of_machine: bool
    """Whether it is of what the cells ran on, and not of what was run."""

    def __str__(self) -> str:
        return text.clean(f"{self.name} differs: {self.listed}.")

    @property
    def listed(self) -> str:
        """`4 in one and another; 8 in a third`."""
        clauses = [f"{v} in {text.listed(groups)}" for v, groups in self.values.items()]
        further = [f"{len(clauses) - MOST_VALUES} more"] if len(clauses) > MOST_VALUES else []
        return "; ".join([*clauses[:MOST_VALUES], *further])


def differences(groups: Mapping[str, Sequence[Record]]) -> list[Difference]:
    """The facts of which groups do not hold the same values, those of what was run first."""
    return [
        *differing({g: [content(r.cell) for r in records] for g, records in groups.items()}, False),
        *differing({g: list(_machines(records)) for g, records in groups.items()}, True),
    ]


def consequences(differences: Iterable[Difference]) -> list[str]:
    """What the differences mean for who compares with whom, in a sentence or two."""
    kinds = {d.of_machine for d in differences}
    sentences = {
        False: OTHERWISE,
        True: "Speed and memory do not compare between different devices, systems or versions.",
    }
    return [sentence for kind, sentence in sentences.items() if kind in kinds]


def content(cell: Cell) -> dict[str, str]:
    """What was run: model, task, data, settings and options. Same facts, comparable figures."""
    return {
        "Model": cell.model.id,
        "Weights": cell.model.weights,
        "Revision": cell.model.revision or (cell.model.digest or "none")[:DIGEST],
        "Task": cell.task,
        "Training data": data(cell.train_data),
        "Evaluation data": data(cell.eval_data),
        **dict(_settings(cell)),
        **dict(_options(cell)),
    }


def machine(environment: Environment) -> dict[str, str]:
    """What it was run on and with."""
    host = f"{environment.cpu_name}, {text.plural(environment.cpu_count, 'core')}"
    return {
        "Device": environment.device_name,
        "Number of devices": str(environment.device_count),
        "Driver": environment.driver or "none",
        "Processor": host,
        "System": environment.system,
        "Python": environment.python,
        **{f"Version of {p}": environment.versions.get(p, "none") for p in PACKAGES},
    }


def data(ref: DataRef) -> str:
    """`eval.jsonl (24 examples, c0063b9a)`."""
    digest = f", {ref.sha256[:DIGEST]}" if ref.sha256 else ""
    return f"{ref.name} ({text.plural(ref.examples, 'example')}{digest})"


def _settings(cell: Cell) -> Iterator[tuple[str, str]]:
    """Each setting; one that the strategies changed is a fact of the composition alone."""
    for name, value in cell.settings.model_dump(mode="json").items():
        of = f" of {cell.composition}" if name in cell.declared else ""
        yield f"--{name.replace('_', '-')}{of}", str(value)


def _options(cell: Cell) -> Iterator[tuple[str, str]]:
    for member in cell.members:
        if not member.distribution.startswith("llmbench "):  # whose version is a fact already
            yield f"Package of {member.id}", member.distribution
        for name, value in member.options.items():
            yield f"Option {name} of {member.id} in {cell.composition}", str(value)


def _machines(records: Sequence[Record]) -> Iterator[dict[str, str]]:
    return (machine(r.environment) for r in records if r.environment)


def differing(
    groups: Mapping[str, Sequence[Mapping[str, str]]], of_machine: bool
) -> Iterator[Difference]:
    """A fact differs if two groups that know it hold different values of it."""
    values_of = {group: _values(facts) for group, facts in groups.items()}
    for name in dict.fromkeys(n for values in values_of.values() for n in values):
        known = {g: values[name] for g, values in values_of.items() if name in values}
        if len(set(known.values())) > 1:
            every = dict.fromkeys(v for values in known.values() for v in sorted(values))
            where = {v: [g for g, values in known.items() if v in values] for v in every}
            yield Difference(name, where, of_machine)


def _values(facts: Sequence[Mapping[str, str]]) -> dict[str, frozenset[str]]:
    known: dict[str, set[str]] = {}
    for fact in facts:
        for name, value in fact.items():
            known.setdefault(name, set()).add(value)
    return {name: frozenset(values) for name, values in known.items()}


def group(variant: Variant | Record) -> tuple[object, ...]:
    """What variants or cells must share to be compared: all but strategy and seed."""
    cell = variant.cell
    device = variant.environment.device_name if variant.environment else None
    data = (cell.train_data.sha256, cell.eval_data.sha256)
    return (cell.model, cell.task, *data, device, tuple(asked_for(cell).items()))


def asked_for(cell: Cell) -> dict[str, object]:
    """The settings that all cells share, whatever the cell's strategies made of them.

    Of a record that does not tell, those alone that no strategy may change.
    """
    settings = cell.settings.model_dump(mode="json")
    if cell.shared is None:
        return {name: value for name, value in settings.items() if name not in ADJUSTABLE}
    return {**settings, **cell.shared}
