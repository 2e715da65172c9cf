from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from llmbench.source import digest
from llmbench.source.model import Source

TENSORS = {"a": b"a" * 30_000, "b": b"b" * 30_000, "c": b"c" * 30_000}


@pytest.fixture
def folder(tmp_path):
    """A model in a folder: a config, a README and weights in both formats."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text('{"hidden_size": 64}')
    (made / "README.md").write_text("A model.")
    (made / "model.safetensors").write_bytes(safetensors(TENSORS))
    (made / "more.bin").write_bytes(b"0" * 90_000)
    return made


@pytest.fixture(params=[digest.SMALL_BYTES, 1000], ids=["whole", "sampled"])
def small_bytes(request, monkeypatch):
    """From which size on files are sampled: the weights count whole, or by samples."""
    monkeypatch.setattr(digest, "SMALL_BYTES", request.param)


def safetensors(tensors: dict[str, bytes]) -> bytes:
    header, start = {"__metadata__": {"format": "pt"}}, 0
    for name, data in tensors.items():
        entry = {"dtype": "U8", "shape": [len(data)], "data_offsets": [start, start + len(data)]}
        header[name], start = entry, start + len(data)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(tensors.values())


def test_the_same_content_has_the_same_digest_wherever_it_is(folder, tmp_path, small_bytes):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "README.md").write_text("Another text.")
    assert digest.of_folder(copy) == digest.of_folder(folder)
    assert len(digest.of_folder(folder)) == 64


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_that_was_trained_is_another_model(folder, small_bytes, name):
    before = digest.of_folder(folder)
    trained = {**TENSORS, name: b"x" * 30_000}
    (folder / "model.safetensors").write_bytes(safetensors(trained))
    assert digest.of_folder(folder) != before


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", b'{"hidden_size": 65}'),
        ("more.bin", b"1" * 90_000),
        ("more.bin", b"0" * 90_001),
        ("tokenizer.json", b"{}"),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0not JSON" + b"0" * 90_000),
    ],
)
def test_another_file_is_another_model(folder, small_bytes, file, content):
    before = digest.of_folder(folder)
    (folder / file).write_bytes(content)
    assert digest.of_folder(folder) != before


def test_for_random_weights_the_architecture_counts_alone(folder):
    before = digest.of(Source("model", "random", folder=folder))
    (folder / "model.safetensors").write_bytes(b"")
    assert digest.of(Source("model", "random", folder=folder)) == before
    (folder / "config.json").write_text("{}")
    assert digest.of(Source("model", "random", folder=folder)) != before


def test_a_commit_is_enough_for_a_model_from_a_hub(folder):
    hub = {"hub_id": "owner/name", "revision": "abc"}
    assert digest.of(Source("owner/name", "pretrained", folder=folder, **hub)) is None
    assert digest.of(Source("owner/name", "random", folder=folder, **hub)) is None
    shape = Path(__file__).parents[2] / "plugins" / "llmbench_models" / "configs" / "gpt2"
    shipped = digest.of(Source("gpt2", "random", folder=folder, config=shape, **hub))
    assert shipped == digest.of_folder(shape)
