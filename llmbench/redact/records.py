"""Cells, records and headers as they are stored and shown.

Only texts that somebody wrote freely are redacted, and each is named here: reasons, warnings,
options, places. Whatever has a fixed vocabulary stays, and so do ids, digests and figures: a
record can be read whatever the variables of its reader hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from llmbench.record.record import Cell, Member, PhaseRecord, Record
from llmbench.redact import Redactor, redactor, writable
from llmbench.text import split_members

if TYPE_CHECKING:
    from llmbench.record.comparison import Header, Planned


PLACES = (
    "model",
    "revision",
    "data",
    "eval_data",
    "validation_data",
    "input_field",
    "target_field",
)
"""Values of a configuration that may be anything."""
M = TypeVar("M", bound=BaseModel)
Clean = Callable[[str], str]


def cell(value: Cell) -> Cell:
    """A cell as it is stored and shown."""
    return _cell(_leaving(redactor(), _ids(value)), value)


def record(value: Record) -> Record:
    """A record as it is stored: what it says, and what its figures are called, is redacted."""
    by = _leaving(redactor(), _ids(value.cell))
    attempts = tuple(_said(by, a, "reason") for a in value.earlier)
    short = value.shortage
    if short and short.instead:
        short = short.model_copy(update={"instead": _composition(short.instead, by.place)})
    return _said(by, value, "reason", "traceback").model_copy(
        update={
            "cell": _cell(by, value.cell),
            "earlier": attempts,
            "shortage": short,
            "warnings": _prose(by, value.warnings),
            "phases": {name: _phase(by, phase) for name, phase in value.phases.items()},
            "corpus_scores": by.keyed(value.corpus_scores),
            "measures": tuple(
                m.model_copy(update={"id": name})
                for name, m in by.keyed({m.id: m for m in value.measures}).items()
            ),
            "examples": tuple(
                e.model_copy(update={"scores": by.keyed(e.scores)}) for e in value.examples
            ),
        }
    )


def header(value: Header) -> Header:
    """What `comparison.json` says."""
    ids = frozenset[str]().union(*(_ids(p.cell) for p in value.plan.cells))
    by = _leaving(redactor(), ids)
    cells = tuple(_planned(by, p) for p in value.plan.cells)
    return _said(by, value, "command").model_copy(
        update={
            "name": by.folder(writable(value.name)),
            "notices": _prose(by, value.notices),
            "warnings": _prose(by, value.warnings),
            "origins": {name: by.tree(origin) for name, origin in value.origins.items()},
            "configuration": _configuration(by, value.configuration),
            "plan": value.plan.model_copy(update={"cells": cells}),
        }
    )


def id_part(composition: str) -> str:
    """A composition as part of an id, and so of a file's name: without names, too."""
    return _composition(composition, redactor().text)


def composition(text: str) -> str:
    """A composition as a record has it."""
    return _composition(text, redactor().place)


def _ids(value: Cell) -> frozenset[str]:
    """What a cell calls things, which is in its record whatever a variable holds."""
    data = (value.train_data.name, value.eval_data.name)
    return frozenset(
        {value.model.id, value.task, *value.metrics, *data, *(m.id for m in value.members)}
    )


@lru_cache(maxsize=2**6)
def _leaving(by: Redactor, ids: frozenset[str]) -> Redactor:
    """One to which none of these is a secret; plugins that are not installed here have ids, too."""
    secrets = tuple(s for s in by.secrets if s not in ids)
    return by if secrets == by.secrets else replace(by, secrets=secrets)


def _cell(by: Redactor, value: Cell) -> Cell:
    members = tuple(_member(by, m) for m in value.members)
    names = {n: _composition(getattr(value, n), by.place) for n in ("composition", "arithmetic")}
    return value.model_copy(update={**names, "members": members})


def _member(by: Redactor, value: Member) -> Member:
    options = {name: by.tree(option) for name, option in value.options.items()}
    return value.model_copy(update={"options": options})


def _phase(by: Redactor, value: PhaseRecord) -> PhaseRecord:
    probes = {probe: by.keyed(figures) for probe, figures in value.probes.items()}
    return value.model_copy(update={"probes": probes})


def _planned(by: Redactor, value: Planned) -> Planned:
    clean = _said(by, value, "skip", "broken")
    return clean.model_copy(update={"cell": _cell(by, value.cell)})


def _configuration(by: Redactor, values: Mapping[str, Any]) -> dict[str, Any]:
    clean = dict(values) | {name: by.tree(values[name]) for name in PLACES if name in values}
    if isinstance(clean.get("strategies"), list | tuple):
        clean["strategies"] = [_composition(str(s), by.place) for s in clean["strategies"]]
    if isinstance(clean.get("output"), str):
        clean["output"] = by.folder(writable(clean["output"]))
    return clean


def _composition(text: str, clean: Clean) -> str:
    """The composition with its options redacted: what its members are called is public."""
    members = [member.partition("(") for member in split_members(writable(text))]
    return "+".join(name + bracket + clean(options) for name, bracket, options in members)


def _said(by: Redactor, value: M, *fields: str) -> M:
    """The same with these fields, which are prose or None, redacted."""
    texts = {f: getattr(value, f) for f in fields}
    return value.model_copy(update={f: _text(by, s) for f, s in texts.items() if s is not None})


def _prose(by: Redactor, texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(_text(by, t) for t in texts)


@lru_cache(maxsize=2**12)
def _text(by: Redactor, text: str) -> str:
    return by.text(writable(text))
