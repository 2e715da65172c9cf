"""Comparisons that older versions wrote, frozen as they were, still read and render the same.

`samples/vN` is what the last llmbench with schema N wrote: `llmbench compare --strategies
'full,lora,lora(targets=nothing)' --steps 3 --burn-in-steps 1 --batch-size 1 --eval-examples 2
--max-new-tokens 6`. Paths in its traceback are made those of an ordinary installation.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from llmbench.plugin import registry
from llmbench.record.record import SCHEMA_VERSION
from llmbench.storage import export
from llmbench.storage import read as migrate
from llmbench.storage.store import Store

SAMPLES = Path(__file__).parents[1] / "samples"
GALLERY = Path(__file__).parents[2] / "reports" / "gallery"
VERSIONS = range(1, SCHEMA_VERSION)


@pytest.fixture(params=VERSIONS)
def sample(request: pytest.FixtureRequest) -> Path:
    return SAMPLES / f"v{request.param}"


def test_every_released_version_has_a_step_and_a_sample():
    assert set(migrate.STEPS) == set(VERSIONS)
    assert {p.name for p in SAMPLES.iterdir()} == {f"v{n}" for n in VERSIONS}


def test_a_sample_is_of_its_version(sample):
    files = [sample / "comparison.json", *(sample / "records").glob("*.json")]
    assert len(files) == 5
    assert {json.loads(p.read_text())["schema_version"] for p in files} == {int(sample.name[1:])}


def test_a_sample_reads_whole_and_as_the_present_version(sample):
    read = Store(sample).read()
    assert read.problems == ()
    assert {r.cell.composition: r.status for r in read.records} == {
        "base": "ok",
        "full": "ok",
        "lora": "ok",
        "lora(targets=nothing)": "failed",
    }
    assert {read.header.schema_version, *(r.schema_version for r in read.records)} == {
        SCHEMA_VERSION
    }
    assert len(read.inputs) == 2


def test_the_figures_of_a_sample_are_those_that_it_was_written_with(sample):
    text = registry().exporters.get("csv").render(Store(sample).read())
    now = list(csv.DictReader(io.StringIO(text)))
    then = list(csv.DictReader((sample / "results.csv").open()))
    assert [{k: row[k] for k in then[0]} for row in now] == then


def test_a_sample_renders_in_every_format(sample):
    read = Store(sample).read()
    for exporter in registry().exporters.items().values():
        assert "lora" in export.rendered(exporter, read)


@pytest.mark.parametrize("header", sorted(GALLERY.rglob("comparison.json")))
def test_the_gallery_reads_whole(header):
    assert Store(header.parent).read().problems == ()
