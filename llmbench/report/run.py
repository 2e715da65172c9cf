"""What was run: the comparison's set-up and its configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmbench.environment import Environment
from llmbench.format import size
from llmbench.record import DataRef
from llmbench.report import words
from llmbench.report.precision import precision
from llmbench.store import Comparison, Header

DIGEST = 12
"""Characters shown of a digest or a revision."""


@dataclass(frozen=True)
class Fact:
    """A name, what it is, and where that came from."""

    name: str
    value: str
    origin: str = ""


def setting_up(comparison: Comparison) -> tuple[Fact, ...]:
    """Model, data, precision and machine."""
    header = comparison.header
    found = []
    if header.plan.cells:
        cell = header.plan.cells[0].cell
        revision = f", revision {cell.model.revision[:DIGEST]}" if cell.model.revision else ""
        if cell.model.digest:
            revision += f", digest {cell.model.digest[:DIGEST]}…"
        found += [
            Fact("Model", words.clean(f"{cell.model.id} ({cell.model.weights} weights{revision})")),
            Fact("Task", words.clean(cell.task)),
            Fact("Trained on", _data(cell.train_data)),
            Fact("Evaluated on", _data(cell.eval_data) if cell.eval_data.examples else "nothing"),
        ]
        if cell.validation_data and cell.validation_data.examples:
            found.append(Fact("Validated on", _data(cell.validation_data)))
    if header.data_fields:
        fields = (f"{role} from {name}" for role, name in header.data_fields.items())
        found.append(Fact("Fields read", words.clean(", ".join(fields))))
    types = precision(comparison.records)
    if types:
        found.append(Fact("Precision", types))
    return (*found, *_machine(header.environment), Fact("Run at", words.clean(header.created_at)))


def configuration(header: Header) -> tuple[Fact, ...]:
    """Every value of the configuration, and where it came from."""
    values: dict[str, Any] = {}
    for name, value in header.configuration.items():
        values |= value if name == "settings" and isinstance(value, dict) else {name: value}
    return tuple(
        Fact(words.clean(name), show(value), words.clean(header.origins.get(name, "")))
        for name, value in values.items()
    )


def _machine(environment: Environment) -> Iterator[Fact]:
    memory = size(environment.device_memory_bytes)
    driver = f", driver {environment.driver}" if environment.driver else ""
    number = f"{environment.device_count} of " if environment.device_count > 1 else ""
    device = f"{number}{environment.device_name}, {memory}{driver}"
    yield Fact("Device", words.clean(device))
    if environment.device == "cuda":
        cores = words.plural(environment.cpu_count, "core")
        host = f"{environment.cpu_name}, {cores}, {size(environment.memory_bytes)}"
        yield Fact("Host", words.clean(host))
    yield Fact("System", words.clean(f"{environment.system}, Python {environment.python}"))
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions.items())
    yield Fact("Versions", words.clean(versions))


def _data(data: DataRef) -> str:
    digest = f", SHA-256 {data.sha256[:DIGEST]}…" if data.sha256 else ""
    return words.clean(f"{data.name}, {words.plural(data.examples, 'example')}{digest}")


def label(name: str) -> str:
    """A name of a setting or an option for a person."""
    return words.clean(name).replace("_", " ")


def show(value: Any) -> str:
    """A configured value for a person."""
    if value is None:
        return words.DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{words.clean(str(k))} {show(v)}" for k, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(show(v) for v in value)
    return words.cut(str(value), 500)
