"""What `llmbench list` shows, for people and for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from llmbench import plugin
from llmbench.errors import StoreError
from llmbench.plugin import named
from llmbench.plugin.catalogue import Entry, Plugin
from llmbench.plugin.exporter import Exporter
from llmbench.plugin.model import Model
from llmbench.plugin.strategy import Strategy
from llmbench.plugin.task import Task
from llmbench.storage.store import Store
from llmbench.text import aligned, clean

REPORTS = "reports"
"""Where comparisons land by default."""


def listing(kind: str, folder: str = REPORTS) -> str:
    """Everything of one kind, with the package that it comes from; or what was compared."""
    if kind == "runs":
        return saved(folder)
    if kind == "plugins":
        rows = [(s.name, s.distribution, s.broken or "works") for s in plugin.registry().plugins]
        return aligned(("PLUGIN", "PACKAGE", "STATE"), rows)
    rows = [
        (name, entry.item.summary, entry.source.distribution)
        for name, entry in plugin.registry().catalogues()[f"register_{kind}"].entries.items()
    ]
    return aligned(("ID", "SUMMARY", "PACKAGE"), rows)


def saved(folder: str) -> str:
    """The comparisons below a folder, the newest first."""
    rows = [(str(r["directory"]), r["created"], r["model"], r["ended"]) for r in runs(folder)]
    return aligned(("DIRECTORY", "CREATED", "MODEL", "RUNS"), rows)


def runs(folder: str) -> list[dict[str, str]]:
    """The same as values; directories without a comparison that can be read are left out."""
    below = Store.below(folder)
    readable = []
    for header in below.root.glob("**/comparison.json"):
        with suppress(StoreError):
            readable.append({"directory": below.called(header.parent), **_run(header.parent)})
    return sorted(readable, key=lambda run: run["created"], reverse=True)


def _run(directory: Path) -> dict[str, str]:
    comparison = Store(directory).read()
    counts = Counter(record.status for record in comparison.reported.planned)
    models = dict.fromkeys(p.cell.model.id for p in comparison.header.plan.cells)
    return {
        "created": comparison.header.created_at,
        "model": clean(", ".join(models)),
        "ended": ", ".join(f"{count} {status}" for status, count in counts.items()) or "none",
    }


def items(kind: str, folder: str = REPORTS) -> list[dict[str, Any]]:
    """The same as values, with all that is declared of each."""
    if kind == "runs":
        return runs(folder)
    if kind == "plugins":
        return [_plugin(source) for source in plugin.registry().plugins]
    entries: dict[str, Entry[Any]] = plugin.registry().catalogues()[f"register_{kind}"].entries
    details = DETAILS.get(kind, lambda item: {})
    return [
        {
            "id": name,
            "summary": entry.item.summary,
            "package": entry.source.distribution,
            "plugin": entry.source.name,
            **details(entry.item),
        }
        for name, entry in entries.items()
    ]


def options(declared: type[BaseModel]) -> list[dict[str, Any]]:
    """The options of a strategy or a task: name, type, default and description."""
    return [
        {
            "name": name,
            "type": _type(field.annotation),
            "default": None if field.is_required() else to_jsonable_python(field.get_default()),
            "required": field.is_required(),
            "description": field.description,
        }
        for name, field in declared.model_fields.items()
    ]


def _plugin(source: Plugin) -> dict[str, Any]:
    return {"id": source.name, "package": source.distribution, "broken": source.broken}


def _strategy(strategy: type[Strategy]) -> dict[str, Any]:
    return {
        "group": strategy.group,
        "also_claims": sorted(strategy.also_claims),
        "stands_on": None if _adapts(strategy) else strategy.stands_on,
        "in_all": strategy.in_all,
        "trains": strategy.trains,
        "options": options(strategy),
    }


def _adapts(strategy: type[Strategy]) -> bool:
    return "adaptation" in strategy.also_claims | {strategy.group}


def _model(model: Model) -> dict[str, Any]:
    return {
        "hub_id": model.hub_id,
        "ships_weights": model.ships_weights,
        "ships_architecture": model.config is not None or model.folder is not None,
        "defaults": dict(model.defaults),
    }


def _task(task: Task) -> dict[str, Any]:
    return {
        "template": task.template,
        "input_fields": list(task.input_fields),
        "target_fields": list(task.target_fields),
        "ships_data": task.train_file is not None and task.eval_file is not None,
        "options": options(named.options(task)),
    }


def _exporter(exporter: Exporter) -> dict[str, Any]:
    return {"filename": exporter.filename}


def _type(annotation: Any) -> str:
    """`int`, `str`, or the choices of a literal joined with `|`."""
    if get_origin(annotation) is Literal:
        return " | ".join(repr(choice) for choice in get_args(annotation))
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


DETAILS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "strategies": _strategy,
    "models": _model,
    "tasks": _task,
    "exporters": _exporter,
}
"""What each kind declares beyond id and summary."""
