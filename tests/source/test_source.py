from __future__ import annotations

import json
from dataclasses import replace

import hub as local_hub
import pytest
from hub import COMMIT, WEIGHTS, Repo
from huggingface_hub import constants

from llmbench import plugin
from llmbench.errors import ModelError, PluginError
from llmbench.plugin.catalogue import Plugin, Registry
from llmbench.plugin.model import Model
from llmbench.source import hub as patience
from llmbench.source import model as source

UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def models(tmp_path, folder, monkeypatch):
    """A registry with a shipped model, an alias with an architecture, and one without."""
    registry = Registry()
    config = tmp_path / "config"
    config.mkdir()
    (config / "config.json").write_text("{}")
    shipped = Model("tiny", "", folder=folder, defaults={"steps": 3})
    for model in (
        shipped,
        Model("alias", "", hub_id="owner/served", config=config),
        Model("bare", "", hub_id="owner/served"),
    ):
        registry.models.add(model.id, model, Plugin("models", "test"))
    monkeypatch.setattr(plugin, "registry", lambda: registry)
    return registry


@pytest.fixture
def folder(tmp_path):
    """A folder that looks like a saved model."""
    path = tmp_path / "my-model"
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(WEIGHTS)
    return path


def point_at(endpoint, monkeypatch):
    """Have the hub's client look for the hub there."""

    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub on loopback, an empty cache, and nobody logged in."""

    with local_hub.serve() as served:
        point_at(served.endpoint, monkeypatch)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        served.repos["owner/served"] = Repo(
            {
                "config.json": b"{}",
                "tokenizer.json": b'{"version": "1.0"}',
                "model.safetensors": WEIGHTS,
                "pytorch_model.bin": b"a pickle",
                "README.md": b"about",
            }
        )
        yield served


@pytest.fixture
def cut_off(monkeypatch):
    """Takes the hub away."""

    def cut():
        point_at(UNREACHABLE, monkeypatch)

    return cut


def on_hub(name="owner/served", weights="pretrained", revision=None):
    return source.Source(name, weights, revision, hub_id=name)


def refusal(wanted):
    with pytest.raises(ModelError) as caught:
        source.fetch(wanted, needs_tokenizer=True)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def fetched_files(found):
    return sorted(p.name for p in found.folder.iterdir())


def test_an_alias_brings_its_hub_id_config_and_defaults(models):
    found = source.find("tiny", "pretrained", None)
    assert (found.id, found.folder.name, found.defaults) == ("tiny", "my-model", {"steps": 3})
    assert source.find("alias", "pretrained", "v1").hub_id == "owner/served"


def test_a_folder_is_named_by_its_own_name(models, folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = source.find(".", "pretrained", None)
    assert (found.id, found.folder) == ("my-model", folder)


def test_owner_and_name_are_a_hub_id(models):
    assert source.find("some-owner/some.model", "pretrained", "v1") == source.Source(
        "some-owner/some.model", "pretrained", "v1", hub_id="some-owner/some.model"
    )


@pytest.mark.parametrize(
    "name", ["./no-such", "../models/x", "/no/such", "a/b/c", "~nobody-here/x", "./" + "x" * 300]
)
def test_a_path_that_leads_nowhere_gets_no_list_of_aliases(models, name):
    with pytest.raises(ModelError) as caught:
        source.find(name, "pretrained", None)
    assert str(caught.value) == f"There is no folder '{name}': check the path."


@pytest.mark.parametrize("name", ["tinny", "x" * 300])
def test_what_is_neither_alias_folder_nor_hub_id_is_no_model(models, name):
    with pytest.raises(ModelError, match="There is no model"):
        source.find(name, "pretrained", None)


def test_an_unknown_model_gets_the_nearest_alias(models):
    with pytest.raises(ModelError, match="There is no model 'tinny': did you mean 'tiny'"):
        source.find("tinny", "pretrained", None)


def test_random_weights_need_an_architecture(models):
    with pytest.raises(ModelError, match="'bare' ships no architecture"):
        source.find("bare", "random", None)


def test_an_alias_that_two_plugins_offer_is_refused(models):
    models.models.add("tiny", Model("tiny", ""), Plugin("other", "another package"))
    with pytest.raises(PluginError, match=r"'models' of test and 'other' of another package"):
        source.find("tiny", "pretrained", None)


def test_a_folder_without_a_config_is_no_model(models, folder):
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"'my-model' has no config.json"):
        source.find(str(folder), "random", None)


def test_a_folder_of_pickles_is_refused_for_its_weights_alone(models, folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"'my-model' has no .safetensors weights"):
        source.find(str(folder), "pretrained", None)
    assert source.find(str(folder), "random", None).folder == folder


def test_a_folder_is_fetched_from_nowhere(hub, folder, models):
    found = source.find(str(folder), "pretrained", None)
    assert source.fetch(found, needs_tokenizer=False) is found
    assert hub.asked == []


def test_a_hub_model_is_fetched_at_the_commit_that_its_branch_stands_at(hub):
    found = source.fetch(on_hub(), needs_tokenizer=True)
    assert found.revision == COMMIT
    assert (found.folder / "model.safetensors").read_bytes() == WEIGHTS
    assert found.weights_location == found.tokenizer_location == str(found.folder)


def test_a_tag_becomes_the_commit_that_it_names(hub):
    assert source.fetch(on_hub(revision="v1"), needs_tokenizer=True).revision == COMMIT


def test_pickles_are_never_fetched(hub):
    found = source.fetch(on_hub(), needs_tokenizer=True)
    assert fetched_files(found) == ["config.json", "model.safetensors", "tokenizer.json"]


def test_a_chat_template_that_is_a_file_is_fetched_with_the_tokenizer(hub):
    hub.repos["owner/served"].files["chat_template.jinja"] = b"{{ messages }}"
    found = source.fetch(on_hub(weights="random"), needs_tokenizer=True)
    assert fetched_files(found) == ["chat_template.jinja", "config.json", "tokenizer.json"]


def test_random_weights_of_an_alias_touch_no_hub(hub, models):
    found = source.find("alias", "random", None)
    assert source.fetch(found, needs_tokenizer=False) is found
    assert hub.asked == []


def test_random_weights_with_text_fetch_the_tokenizer_alone(hub, models):
    found = source.fetch(source.find("alias", "random", None), needs_tokenizer=True)
    assert "model.safetensors" not in fetched_files(found)
    assert found.weights_location == str(models.models.get("alias").config)
    assert found.tokenizer_location == str(found.folder)


def test_random_weights_of_a_hub_model_take_its_config(hub):
    found = source.fetch(on_hub(weights="random"), needs_tokenizer=False)
    assert found.weights_location == str(found.folder)
    assert (found.folder / "config.json").is_file()


def test_random_weights_of_a_hub_model_without_a_config_are_refused(hub):
    del hub.repos["owner/served"].files["config.json"]
    assert refusal(on_hub(weights="random")).startswith("'owner/served' has no config.json")


def test_a_model_that_is_not_on_the_hub_is_said_to_be_so(hub):
    assert refusal(on_hub("owner/missing")) == (
        "The model 'owner/missing' is not on the hub, or is private: "
        "check the name, or log in with 'hf auth login'."
    )


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_model_says_to_ask_for_access(hub, status):
    hub.repos["owner/gated"] = Repo(refusal=(status, "GatedRepo"))
    assert refusal(on_hub("owner/gated")).startswith("The model 'owner/gated' is gated: ask for")


def test_a_private_model_says_to_log_in(hub):
    hub.repos["owner/private"] = Repo(refusal=(401, "RepoNotFound"))
    assert "is private: check the name, or log in" in refusal(on_hub("owner/private"))


def test_a_revision_that_is_not_there_is_named(hub):
    assert refusal(on_hub(revision="v2")) == (
        "The model 'owner/served' has no revision 'v2': check --revision."
    )


@pytest.mark.parametrize("weights", ["pretrained", "random"])
def test_without_a_connection_the_sentence_names_ways_out(hub, cut_off, weights):
    cut_off()
    sentence = refusal(on_hub(weights=weights))
    assert "'owner/served' is not in the cache and the hub cannot be reached" in sentence
    assert "--weights random" in sentence


def test_without_a_connection_the_cache_serves_what_it_has(hub, cut_off):
    first = source.fetch(on_hub(), needs_tokenizer=True)
    cut_off()
    assert source.fetch(on_hub(), needs_tokenizer=True) == first


def test_a_cache_that_lacks_the_weights_is_not_enough(hub, cut_off, models):
    source.fetch(on_hub(weights="random"), needs_tokenizer=True)
    cut_off()
    assert "is only partly in the cache" in refusal(replace(on_hub(), weights="pretrained"))


def test_a_hub_model_of_pickles_is_refused_by_its_name(hub):
    del hub.repos["owner/served"].files["model.safetensors"]
    assert refusal(on_hub()).startswith("'owner/served' has no .safetensors weights")


@pytest.fixture
def impatient(monkeypatch):
    """A client that gives up in a blink."""
    from huggingface_hub import file_download

    monkeypatch.setattr(patience, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 0.2)
    monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(patience, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr("llmbench.source.hub.REQUEST_SECONDS", 0.2)


LATE, WEIGHTS_FILE = "tokenizer.json", "model.safetensors"
FAULTS = {
    "401": ({"refusal": (401, "")}, "is refused (401): log in with 'hf auth login'"),
    "403, gated": ({"refusal": (403, "GatedRepo")}, "is gated: ask for access on its hub page"),
    "403": ({"refusal": (403, "")}, "is refused (403): log in"),
    "404": ({"refusal": (404, "RepoNotFound")}, "is not on the hub, or is private: check the name"),
    "429": (
        {"refusal": (429, ""), "retry_after": "37"},
        "is asked of a hub that is too busy (429): try again in 37 s, or log in.",
    ),
    "429, no word when": ({"refusal": (429, "")}, "too busy (429): try again later, or log in."),
    "500": ({"refusal": (500, "")}, "as the hub answers with 500: try again later."),
    "no answer": ({"broken": True}, "cannot be fetched ("),
    "429 in the middle": (
        {"refusal": (429, ""), "retry_after": "5", "only": LATE},
        "too busy (429): try again in 5 s",
    ),
    "403, gated, for the weights": (
        {"refusal": (403, "GatedRepo"), "only": WEIGHTS_FILE},
        "is gated: ask for access",
    ),
    "503 for the weights": (
        {"refusal": (503, ""), "only": WEIGHTS_FILE},
        "as the hub answers with 503: try again later.",
    ),
    "cut": ({"cut": WEIGHTS_FILE}, "(the connection was cut): run it again"),
    "cut while it is small": ({"cut": LATE}, "(the connection was cut): run it again"),
    "stalled": ({"stalled": WEIGHTS_FILE}, "(the hub has stopped sending): run it again"),
    "silent for the weights": (
        {"silent": WEIGHTS_FILE},
        "(the hub has stopped sending): run it again",
    ),
    "silent": (
        {"silent": "models/owner/served"},
        "(the hub has stopped sending): run it again",
    ),
}
"""What is wrong with the hub, and what is said of the model."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_hub_is_one_sentence_and_leaves_nothing_that_passes_for_whole(
    hub, impatient, monkeypatch, fault
):
    wrong, said = FAULTS[fault]
    sound = hub.repos["owner/served"]
    hub.repos["owner/served"] = replace(sound, **wrong)
    assert said in refusal(on_hub())
    point_at(UNREACHABLE, monkeypatch)
    assert "in the cache and the hub cannot be reached" in refusal(on_hub())
    point_at(hub.endpoint, monkeypatch)
    hub.repos["owner/served"] = sound
    found = source.fetch(on_hub(), needs_tokenizer=True)
    assert fetched_files(found) == ["config.json", WEIGHTS_FILE, "tokenizer.json"]
    assert (found.folder / WEIGHTS_FILE).read_bytes() == WEIGHTS


@pytest.mark.parametrize("fault", ["401", "403", "429", "500", "no answer", "silent"])
def test_what_is_whole_in_the_cache_needs_no_hub(hub, impatient, fault):
    first = source.fetch(on_hub(), needs_tokenizer=True)
    hub.repos["owner/served"] = replace(hub.repos["owner/served"], **FAULTS[fault][0])
    assert source.fetch(on_hub(), needs_tokenizer=True) == first


def blob(found, name):
    """The file behind a link of the cache."""
    return (found.folder / name).resolve()


@pytest.mark.parametrize("content", [b"", WEIGHTS[:5], WEIGHTS + b"more", b"x" * 100])
def test_weights_that_are_damaged_in_the_cache_are_fetched_again_or_refused(
    hub, impatient, monkeypatch, content
):
    found = source.fetch(on_hub(), needs_tokenizer=True)
    blob(found, WEIGHTS_FILE).write_bytes(content)
    point_at(UNREACHABLE, monkeypatch)
    assert "is not whole in the cache (model.safetensors)" in refusal(on_hub())
    point_at(hub.endpoint, monkeypatch)
    assert source.fetch(on_hub(), needs_tokenizer=True) == found
    assert (found.folder / WEIGHTS_FILE).read_bytes() == WEIGHTS


def test_every_shard_of_the_index_has_to_be_there(hub, impatient, monkeypatch):
    files = hub.repos["owner/served"].files
    del files[WEIGHTS_FILE]
    shards = {f"layer.{i}": f"model-0000{i}-of-00002.safetensors" for i in (1, 2)}
    files["model.safetensors.index.json"] = json.dumps({"weight_map": shards}).encode()
    files["model-00001-of-00002.safetensors"] = WEIGHTS
    assert "is not whole in the cache (model-00002-of-00002.safetensors)" in refusal(on_hub())


def test_a_model_without_a_tokenizer_is_said_to_have_none(hub):
    del hub.repos["owner/served"].files["tokenizer.json"]
    assert refusal(on_hub()).startswith("'owner/served' has no tokenizer in the cache")


def test_a_folder_that_is_not_whole_is_refused(models, folder):
    (folder / WEIGHTS_FILE).write_bytes(WEIGHTS[:-1])
    with pytest.raises(ModelError, match=r"'my-model' is not whole: model\.safetensors"):
        source.find(str(folder), "pretrained", None)


def test_a_folder_of_an_adapter_is_no_model(models, folder):
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="'my-model' holds an adapter: merge it"):
        source.find(str(folder), "pretrained", None)
