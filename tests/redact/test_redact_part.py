"""Cells, records and headers: what was written freely is redacted, and all else stays."""

from __future__ import annotations

import pytest
from records import cell, comparison, ended, ok

from llmbench.record.record import Attempt, Member, Shortage
from llmbench.redact import records as part
from llmbench.storage.store import Store

pytestmark = pytest.mark.usefixtures("somebody")


def test_a_record_keeps_its_figures_its_examples_and_its_cell():
    record = ok("lora").model_copy(update={"warnings": ("zaphod was here",)})
    example = record.examples[0].model_copy(update={"prediction": "zaphod has my-own-token"})
    record = record.model_copy(update={"examples": (example, *record.examples[1:])})
    clean = part.record(record)
    assert clean.warnings == ("user was here",)
    assert clean == record.model_copy(update={"warnings": clean.warnings})


def test_all_that_a_record_says_in_words_is_redacted():
    record = ended(
        "lora", "oom", "zaphod: no", traceback="at /home/zaphod/x",
        earlier=(Attempt(attempt=1, status="oom", reason="my-own-token"),),
        shortage=Shortage(where="host", instead="lora(path=/home/zaphod)+4-bit"),
    )  # fmt: skip
    clean = part.record(record)
    assert (clean.reason, clean.traceback) == ("user: no", "at ~/x")
    assert clean.earlier[0].reason == "[secret]"
    assert clean.shortage.instead == "lora(path=~)+4-bit"


def test_the_names_of_a_probe_s_figures_and_of_scores_are_redacted():
    record = ok("lora")
    phase = record.phases["train"].model_copy(update={"probes": {"p": {"of my-own-token": 1}}})
    clean = part.record(
        record.model_copy(
            update={"phases": {"train": phase}, "corpus_scores": {"/home/zaphod/m": 0.5}}
        )
    )
    assert clean.phases["train"].probes == {"p": {"of [secret]": 1}}
    assert clean.corpus_scores == {"~/m": 0.5}


def test_what_a_cell_names_is_redacted_where_it_is_a_path_or_a_secret(monkeypatch):
    monkeypatch.setenv("USER", "lora")
    options = {"path": "/home/zaphod/x", "url": "https://me:pass@hub/", "lora": "lora"}
    made = cell("lora", members=(Member(id="lora", options=options, distribution="x"),))
    clean = part.cell(made)
    assert (clean.id, clean.composition) == (made.id, "lora")
    assert clean.members[0].options == {
        "path": "~/x",
        "url": "https://[secret]@hub/",
        "lora": "lora",
    }


def test_a_header_keeps_what_names_things_and_hides_the_user():
    header = comparison(
        [ok("lora")],
        name="o11-zaphod",
        command="llmbench compare --output o11-zaphod",
        configuration={
            "model": "/home/zaphod/m",
            "output": "o11-zaphod",
            "strategies": ["lora(path=/home/zaphod/a)"],
            "metrics": ["my-own-token"],
        },
        origins={"model": "/home/zaphod/llmbench.toml"},
    ).header
    clean = part.header(header)
    assert (clean.name, clean.command) == ("o11-user", "llmbench compare --output o11-user")
    assert clean.configuration == {
        "model": "~/m",
        "output": "o11-user",
        "strategies": ["lora(path=~/a)"],
        "metrics": ["my-own-token"],
    }
    assert clean.origins == {"model": "~/llmbench.toml"}


@pytest.mark.parametrize(
    "word",
    [
        *("linear", "cuda", "default", "train", "ok", "oom", "lora", "gradient-checkpointing"),
        *("checkpointing", "llama-2-7b", "summarization", "fp32", "adamw", "0c8c84f1" * 8),
        *("full+gradient-checkpointing", "full+gradient-checkpointing.llama.s0"),
        *("rouge1", "2.13.0"),
    ],
)
def test_no_variable_of_whoever_reads_it_changes_a_comparison(monkeypatch, tmp_path, word):
    records = [ok("full+gradient-checkpointing"), ended("lora", "oom", "Out.")]
    whole = comparison(records, origins={"steps": "default for llama-2-7b"})
    store = Store(tmp_path / "out")
    store.create()
    store.write_header(whole.header)
    for record in whole.records:
        store.write_record(record)
    before = store.read()
    for name in ("SCHED_KEY", "MODEL_KEY", "CACHE_KEY", "X_AUTH", "HF_TOKEN"):
        monkeypatch.setenv(name, word)
    assert store.read() == before
    assert store.write_header(whole.header) == before.header


def test_a_model_of_a_hub_is_called_the_same_everywhere():
    made = cell("lora", model=cell("lora").model.model_copy(update={"id": "zaphod/tiny"}))
    header = comparison(
        [ok("lora", cell=made)],
        command="llmbench compare --model zaphod/tiny",
        configuration={"model": "zaphod/tiny"},
    ).header
    assert part.header(header) == header


def test_an_id_is_made_without_the_user_s_name_and_home_directory():
    composition = "leak(url=/home/zaphod/adapter,by=zaphod,key=my-own-token)+4-bit"
    assert part.id_part(composition) == "leak(url=~/adapter,by=user,key=[secret])+4-bit"
