"""Whatever is typed, configured, stored or given as data: an answer, or a sentence; no traceback.

The default profile is small; `--hypothesis-profile=long` runs 10,000 inputs of each.
"""

from __future__ import annotations

import copy
import datetime
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import cell, comparison, ended, ok

from llmbench.config import composition
from llmbench.config.config import OPTIONS, SETTINGS, resolve, rows
from llmbench.config.layers import from_file, variables
from llmbench.errors import ConfigError, DataError, StoreError, UserError
from llmbench.output import csv_json
from llmbench.plugin import registry
from llmbench.plugin.task import Task
from llmbench.source import data
from llmbench.storage.read import read_record
from llmbench.storage.store import Store
from llmbench.text import split_list

IDS = sorted(registry().strategies.entries)
TASK = Task("summarization", "", "{input}")


def one_line(error: UserError) -> None:
    """A sentence that a person can read: one line, and a way out behind a colon."""
    assert str(error)
    assert "\n" not in str(error)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["\ud800", "\x00", "\u2028", "=1+1", "1e999", "-0"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)

# The grammar of compositions.

option = st.tuples(
    st.sampled_from(["r", "alpha", "targets", "paged", "dropout", "no"]) | st.text(max_size=5),
    st.sampled_from(["=", " = ", "", "=="]),
    st.sampled_from(["8", "-1", "1e400", "nan", "true", "q_proj", ""]) | st.text(max_size=8),
).map("".join)
member = st.tuples(
    st.sampled_from(IDS) | st.text(max_size=8),
    st.lists(option, max_size=3).map(lambda o: f"({','.join(o)})" if o else ""),
).map("".join)
composed = st.lists(member, min_size=1, max_size=4).map("+".join) | st.text(max_size=40)


@given(composed)
def test_a_composition_is_one_or_a_sentence_says_why_not(text):
    try:
        found = composition.read(text)
    except UserError as error:
        one_line(error)
        return
    again = composition.read(found.id)
    assert again.id == found.id
    assert again.members == found.members


@given(st.lists(composed, max_size=4).map(",".join))
def test_a_list_is_split_into_what_can_be_joined_again(text):
    parts = split_list(text)
    assert split_list(",".join(parts)) == parts


# The layers of the configuration.

NAMES = sorted({**OPTIONS, **SETTINGS})
name = st.sampled_from(NAMES) | st.sampled_from(NAMES).map(lambda n: n.replace("_", "-"))
layer = st.dictionaries(
    name.map(lambda n: n.replace("-", "_")) | st.text(max_size=8), anything, max_size=3
)


@given(st.lists(st.tuples(st.sampled_from(["file", "line"]), layer), max_size=3))
def test_layers_make_a_configuration_or_a_sentence(layers):
    try:
        found = resolve(layers)
    except ConfigError as error:
        one_line(error)
        return
    assert [r[0] for r in rows(found)]
    assert found.config == type(found.config).model_validate(found.config.model_dump())


def toml(value):
    """The value as TOML, more or less."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


line = st.tuples(name | st.text(max_size=6), anything | st.dates()).map(
    lambda pair: f"{pair[0]} = {toml(pair[1])}"
)
document = st.lists(line, max_size=4).map("\n".join).map(
    lambda t: t.encode(errors="surrogatepass")
) | st.binary(max_size=60)


@given(document)
def test_a_file_makes_a_configuration_or_a_sentence(tmp_path_factory, content):
    path = written(tmp_path_factory, "llmbench.toml", content)
    try:
        resolve([from_file(path)])
    except ConfigError as error:
        one_line(error)


variable = st.sampled_from([f"LLMBENCH_{n.upper()}" for n in NAMES]) | st.text(
    st.characters(codec="ascii"), max_size=5
).map("LLMBENCH_".__add__)


@given(st.dictionaries(variable, st.text(max_size=12), max_size=4))
def test_variables_make_a_configuration_or_a_sentence(environment):
    try:
        resolve(variables(environment))
    except ConfigError as error:
        one_line(error)


# Stored records.

SHORT = cell("lora", settings={"steps": 6, "eval_examples": 2})
RECORDS = [
    json.loads(r.model_dump_json()) for r in (ok("lora", cell=SHORT), ended("full", "failed", "no"))
]
PLACES = st.randoms(use_true_random=False)


def spoilt(content: object, chance: random.Random, value: object) -> object:
    """The content with one value, somewhere, put in the place of another or taken away."""
    found = copy.deepcopy(content)
    at = found
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return found
        key = chance.choice(keys)
        if isinstance(at[key], dict | list) and at[key] and chance.random() < 0.8:
            at = at[key]
            continue
        if isinstance(at, dict) and chance.random() < 0.2:
            del at[key]
        else:
            at[key] = value
        return found


record = st.builds(spoilt, st.sampled_from(RECORDS), PLACES, anything).map(
    lambda content: json.dumps(content).encode(errors="surrogatepass")
)
cut = st.builds(lambda text, part: text[: int(len(text) * part)], record, st.floats(0, 1))


@given(record | cut | st.binary(max_size=60) | anything.map(lambda v: json.dumps(v).encode()))
def test_a_stored_file_is_a_record_or_a_sentence_says_why_not(tmp_path_factory, content):
    path = written(tmp_path_factory, "lora.json", content)
    try:
        found = read_record(path)
    except StoreError as error:
        one_line(error)
        return
    assert type(found).model_validate_json(found.model_dump_json()) == found


@given(record)
def test_whatever_a_record_says_the_others_have_their_figures(tmp_path_factory, content):
    whole = comparison([ok("lora"), ok("base")])
    store = Store(tmp_path_factory.getbasetemp() / "store")
    store.create()
    store.write_header(whole.header)
    for made in whole.records:
        (store.records / f"{made.cell.id}.json").write_text(made.model_dump_json())
    (store.records / f"{whole.records[0].cell.id}.json").write_bytes(content)
    found = store.read()
    assert len(found.records) + len(found.problems) == 2
    assert {row["strategy"] for row in csv_json.rows(found)} >= {"base"}


# Data.

row = st.fixed_dictionaries(
    {"text": anything | st.text(), "summary": anything | st.text()}, optional={"id": anything}
)
table = st.lists(row | anything, max_size=3)
plain = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), min_size=1, max_size=4)


def dumps(value: object) -> bytes:
    return json.dumps(value).encode(errors="surrogatepass")


def as_parquet(pairs: list[tuple[str, str]]) -> bytes:
    import io

    import pyarrow
    from pyarrow import parquet

    columns = {"text": [a for a, _ in pairs], "summary": [b for _, b in pairs]}
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def with_a_changed_byte(content: bytes, at: float, value: int) -> bytes:
    place = int(at * (len(content) - 1))
    return content[:place] + bytes([value]) + content[place + 1 :]


DATA = {
    "rows.jsonl": table.map(lambda t: b"\n".join(map(dumps, t))) | st.binary(max_size=80),
    "rows.json": table.map(dumps) | anything.map(dumps) | st.binary(max_size=80),
    "rows.csv": plain.map(
        lambda p: "\n".join(["text,summary", *(",".join(r) for r in p)]).encode(
            errors="surrogatepass"
        )
    )
    | st.binary(max_size=80),
    "rows.parquet": st.builds(
        with_a_changed_byte, plain.map(as_parquet), st.floats(0, 1), st.integers(0, 255)
    )
    | st.binary(max_size=80).map(lambda b: b"PAR1" + b + b"PAR1"),
}


@pytest.mark.parametrize("name", DATA)
def test_data_are_read_or_a_sentence_says_why_not(tmp_path_factory, name):
    @given(DATA[name])
    def check(content):
        path = written(tmp_path_factory, name, content)
        try:
            found = data.read(path, TASK)
        except DataError as error:
            one_line(error)
            return
        for example in found.examples:
            assert example.input.strip()
            assert all(r.strip() for r in example.references)
        assert data.lines(found.examples).count("\n") == len(found.examples)

    check()


def written(factory: pytest.TempPathFactory, name: str, content: bytes) -> Path:
    path = factory.getbasetemp() / name
    path.write_bytes(content)
    return path
