"""The task `translation`: pairs and columns, languages, refusals, and a comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmbench.errors import DataError
from llmbench.plugin import named
from llmbench.source import data
from llmbench.testing import run

PAIR = {"translation": {"en": "The man sleeps.", "de": "Der Mann schläft."}}
FLAT = {"id": 7, "en": "The man sleeps.", "fr": ["L'homme dort.", "L'homme est endormi."]}


def read(folder: Path, options: str, *rows: object) -> data.Data:
    file = folder / "rows.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return data.read(file, named.task(f"translation{options}"))


@pytest.mark.parametrize(
    ("options", "row", "asked", "right"),
    [
        ("", PAIR, "English to German", ("Der Mann schläft.",)),
        ("(source=de)", PAIR, "German to English", ("The man sleeps.",)),
        ("(target=en)", PAIR, "German to English", ("The man sleeps.",)),
        ("(source=en,target=fr)", FLAT, "English to French", tuple(FLAT["fr"])),
        ("(source=en,target=gsw)", {"en": "Yes.", "gsw": "Ja."}, "English to gsw", ("Ja.",)),
    ],
)
def test_a_row_asks_for_the_other_language(tmp_path, options, row, asked, right):
    found = read(tmp_path, options, row).examples[0]
    assert found.content.startswith(f"Translate from {asked}.\n\n{found.input}")
    assert found.references == right


@pytest.mark.parametrize(
    ("options", "row", "said"),
    [
        ("(source=fr)", PAIR, r"row 1 has no 'fr' \(it has en, de\)"),
        ("", FLAT, r"no pair of languages \(it has id, en, fr\); say which to read"),
        ("(source=en)", FLAT, "no pair of languages"),
        ("(source=en,target=fr)", FLAT | {"fr": ""}, "an empty target in 'fr'"),
        ("(source=en,target=fr)", FLAT | {"en": " "}, "no text in 'en'"),
        ("", {"translation": "Ja."}, "no pair of languages in 'translation'"),
        ("", {"translation": {**PAIR["translation"], "fr": "x"}}, "no pair of languages"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, options, row, said):
    with pytest.raises(DataError, match=said):
        read(tmp_path, options, row)


def test_the_set_that_ships_is_compared_by_chrf(tmp_path):
    found = run(tmp_path / "out", strategies="full", task="translation(source=de)")
    record = next(r for r in found.records if r.cell.trains)
    assert record.status == "ok", record.reason
    assert record.cell.task == "translation(source=de)"
    assert [m.id for m in record.measures] == ["chrf", "bleu"]
    assert all(0 <= e.scores["chrf"] <= 100 for e in record.examples)
