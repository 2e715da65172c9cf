"""Code and pickles that come with a model: never run unless the user says so."""

from __future__ import annotations

import json
import os
import pickle
import shutil

import hub as local_hub
import pytest
import torch
from distribution import QUICK, llmbench
from records import cell, edit, environment

from llmbench.errors import ModelError
from llmbench.plugin.catalogue import Plugin
from llmbench.plugin.model import Model
from llmbench.plugin.task import Task
from llmbench.record.record import ModelRef
from llmbench.source import data as dataset
from llmbench.source import model as source
from llmbench.source.safety import Trust
from llmbench.worker import load
from llmbench.workers.job import Job

CODE = """
from pathlib import Path
from transformers import LlamaForCausalLM

Path({canary!r}).touch()

class Mine(LlamaForCausalLM):
    pass
"""
AUTO_MAP = {"AutoModelForCausalLM": "modeling_mine.Mine"}
CPU = torch.device("cpu")


class Touching:
    """What a malicious pickle holds: loading it runs a command."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


@pytest.fixture
def canary(tmp_path):
    return tmp_path / "canary"


@pytest.fixture
def folder(model_folder, tmp_path):
    """A copy of the tiny model that a test may spoil."""
    return shutil.copytree(model_folder, tmp_path / "mine")


@pytest.fixture
def with_code(folder, canary):
    """A model that brings code, which leaves a canary where it runs."""
    (folder / "modeling_mine.py").write_text(CODE.format(canary=str(canary)))
    edit(folder / "config.json", auto_map=AUTO_MAP)
    return folder


@pytest.fixture
def with_pickle(folder, canary):
    """A model whose weights are a pickle that leaves a canary where it is loaded."""
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Touching(canary)))
    return folder


def find(folder, trust=Trust(), weights="pretrained"):  # noqa: B008 - it is frozen
    return source.find(str(folder), weights, None, trust)


def load_from(folder, **allowed):
    """Load it as a worker does, whatever the parent would have said."""
    job = Job(
        cell=cell("full", model=ModelRef(id="mine", weights="pretrained", **allowed)),
        environment=environment("cpu"),
        model_source=str(folder),
        record_file=folder / "record.json",
        work_folder=folder,
        started_at=0.0,
    )
    return load.load_model(job, (), CPU)


@pytest.mark.parametrize("weights", ["pretrained", "random"])
def test_a_model_that_brings_code_is_refused_with_the_way_to_allow_it(with_code, canary, weights):
    with pytest.raises(ModelError) as caught:
        find(with_code, weights=weights)
    assert str(caught.value) == (
        "'mine' brings code of its own (auto_map in config.json), which is not run: "
        "allow it with --trust-remote-code, or remove auto_map to load it without."
    )
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["tokenization.Mine", None]}}),
        ("processor_config.json", {"auto_map": {}}),
        ("config.json", {"text_config": {"auto_map": AUTO_MAP}}),
        ("generation_config.json", [{"auto_map": AUTO_MAP}]),
    ],
)
def test_code_is_found_in_whatever_file_names_it(folder, name, content):
    (folder / name).write_text(json.dumps(content))
    with pytest.raises(ModelError, match="brings code of its own"):
        find(folder)
    assert find(folder, Trust(remote_code=True)).trust.remote_code


def test_a_file_that_cannot_be_read_may_name_anything(folder):
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"has a tokenizer_config\.json that cannot be read"):
        find(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "config.5.0.0.json"])
def test_code_is_found_in_a_configuration_of_any_size(folder, name):
    padding = {"auto_map": AUTO_MAP, "padding": " " * 2**21}
    (folder / name).write_text(json.dumps(padding))
    with pytest.raises(ModelError, match="brings code of its own"):
        find(folder)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
@pytest.mark.parametrize("value", ["owner/kernel", {"": "owner/kernel@v1:attend"}])
def test_a_kernel_of_a_hub_is_code_and_needs_to_be_allowed(folder, key, value):
    edit(folder / "config.json", text_config={key: value})
    with pytest.raises(ModelError) as caught:
        find(folder)
    assert str(caught.value) == (
        f"'mine' brings a kernel of a hub ({key} in config.json), which is not run: "
        f"allow it with --trust-remote-code, or remove {key} to load it without."
    )
    assert find(folder, Trust(remote_code=True)).trust.remote_code


def test_an_attention_that_transformers_has_is_no_code(folder):
    edit(folder / "config.json", _attn_implementation="eager")
    assert find(folder).folder == folder


@pytest.mark.parametrize("weights", ["pretrained", "random"])
@pytest.mark.parametrize("place", ["folder", "config"])
def test_what_a_plugin_ships_is_looked_at_like_any_other_folder(
    registry, with_code, weights, place
):
    model = Model("shipped", "", hub_id="owner/name", **{place: with_code})
    registry.models.add("shipped", model, Plugin("models", "test"))
    with pytest.raises(ModelError, match="'shipped' brings code of its own"):
        source.find("shipped", weights, None)


def test_a_worker_runs_no_code_that_was_not_allowed(with_code, canary):
    load_from(with_code)
    assert not canary.exists()


def test_code_that_is_allowed_runs(with_code, canary):
    assert type(load_from(with_code, remote_code=True)).__name__ == "Mine"
    assert canary.exists()


def test_pickles_are_refused_with_both_ways_out(with_pickle, canary):
    with pytest.raises(ModelError) as caught:
        find(with_pickle)
    assert "but pickles, which can run code" in str(caught.value)
    assert "--allow-pickles" in str(caught.value)
    assert find(with_pickle, Trust(pickles=True)).trust.pickles
    assert not canary.exists()


def test_pickles_beside_other_files_of_weights_are_not_loaded_instead(with_pickle, canary):
    (with_pickle / "decoy.safetensors").write_bytes(local_hub.WEIGHTS)
    with pytest.raises(ModelError, match=r"not whole: model\.safetensors is missing"):
        find(with_pickle)
    with pytest.raises(OSError, match="safetensors"):
        load_from(with_pickle)
    assert not canary.exists()


def index(folder, shard, name="model.safetensors.index.json"):
    """Have the folder's weights be in that file, as its index says."""
    kept = (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    named = {"a": kept.name, "b": shard}
    (folder / name).write_text(json.dumps({"metadata": {}, "weight_map": named}))


@pytest.mark.parametrize(
    "shard",
    ["weights.bin", "../outside.safetensors", "sub/inside.safetensors", "/outside.safetensors"],
)
def test_an_index_names_nothing_but_safetensors_beside_it(folder, shard):
    index(folder, shard)
    with pytest.raises(ModelError) as caught:
        find(folder)
    assert str(caught.value) == (
        f"'mine' has its weights in '{shard}' (model.safetensors.index.json), which is not "
        "loaded: have the index name .safetensors files beside it."
    )
    assert find(folder, weights="random").folder == folder


def test_an_index_of_files_beside_it_will_do(folder):
    shutil.copy(folder / "model.safetensors", folder / "model-2.safetensors")
    index(folder, "model-2.safetensors")
    assert find(folder).folder == folder


def test_an_index_of_pickles_names_nothing_elsewhere_either(folder):
    index(folder, "../outside.bin", "pytorch_model.bin.index.json")
    with pytest.raises(ModelError, match=r"have the index name \.bin files beside it"):
        find(folder, Trust(pickles=True))


def test_the_file_that_is_loaded_is_the_one_that_is_looked_at(folder):
    """Beside a single file, transformers does not look at an index."""
    index(folder, "model-1.safetensors")
    (folder / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match=r"not whole: model\.safetensors is missing or cut"):
        find(folder)


@pytest.mark.parametrize("name", ["adapter_model.bin", "sub/other.safetensors"])
def test_a_configuration_names_no_other_file_of_weights(folder, name):
    edit(folder / "config.json", transformers_weights=name)
    with pytest.raises(ModelError, match=r"names its own file of weights \(transformers_weights"):
        find(folder)


def test_weights_of_another_variant_are_not_loaded(folder):
    (folder / "model.safetensors").rename(folder / "model.fp16.safetensors")
    with pytest.raises(ModelError, match=r"not whole: model\.safetensors is missing"):
        find(folder)


def test_a_malicious_pickle_does_nothing_even_where_pickles_are_allowed(with_pickle, canary):
    with pytest.raises((pickle.UnpicklingError, OSError, RuntimeError, ValueError)):
        load_from(with_pickle, pickles=True)
    assert not canary.exists()


def test_weights_that_are_pickled_load_where_they_are_allowed(folder):
    before = load_from(folder).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(before, folder / "pytorch_model.bin")
    after = load_from(folder, pickles=True).state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("kind", ["with_code", "with_pickle"])
def test_the_command_refuses_in_one_sentence_before_anything_runs(request, tmp_path, canary, kind):
    folder = request.getfixturevalue(kind)
    done = llmbench(tmp_path, "compare", "--model", str(folder), "--output", "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert not canary.exists()
    assert not (tmp_path / "out").exists()


def test_what_was_allowed_is_recorded_and_shown(with_code, tmp_path):
    done = llmbench(
        tmp_path, "compare", *QUICK, "--model", str(with_code), "--strategies", "base",
        "--seeds", "1", "--trust-remote-code", "--output", "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(next((tmp_path / "out" / "records").iterdir()).read_text())
    assert record["cell"]["model"]["remote_code"] is True
    assert record["cell"]["model"]["pickles"] is False
    assert "was allowed to run" in (tmp_path / "out/report.html").read_text()


TASK = Task("summarization", "", "{input}")


def test_a_script_in_a_folder_of_data_is_not_run(tmp_path, canary):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "data.py").write_text(f"open({str(canary)!r}, 'w')")
    (folder / "rows.jsonl").write_text('{"text": "a", "summary": "b"}\n')
    assert len(dataset.read(folder, TASK).examples) == 1
    assert not canary.exists()


def test_a_dataset_of_a_hub_with_a_loading_script_is_refused(tmp_path, canary):
    with local_hub.serve() as served:
        script = f"open({str(canary)!r}, 'w')".encode()
        served.repos["owner/scripted"] = local_hub.Repo({"scripted.py": script})
        data = "owner/scripted"
        done = llmbench(
            tmp_path, "compare", "--launcher", "spawn", "--data", data, "--eval-data", data,
            HF_ENDPOINT=served.endpoint, HF_HOME=str(tmp_path / "home"),
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "The dataset 'owner/scripted' cannot be loaded" in done.stderr
    assert not canary.exists()


def test_a_script_that_a_configuration_brings_along_is_not_run(tmp_path, canary):
    (tmp_path / "mine.py").write_text(f"open({str(canary)!r}, 'w')")
    (tmp_path / "llmbench.toml").write_text('metrics = "evaluate:./mine.py"\n')
    done = llmbench(tmp_path, "compare", "--output", "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be asked for in llmbench.toml: name it on the command line" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not canary.exists()
    typed = llmbench(tmp_path, "compare", "--metrics", "evaluate:./mine.py", "--dry-run")
    assert (typed.returncode, typed.stderr) == (0, "")
