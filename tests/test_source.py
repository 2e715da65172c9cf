from __future__ import annotations

from dataclasses import replace

import hub as local_hub
import pytest
from hub import COMMIT, Repo

from llmbench import source
from llmbench.errors import ModelError, PluginError
from llmbench.model import Model
from llmbench.plugin import Registry
from llmbench.plugin import Source as Plugin

UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def models(tmp_path):
    """A registry with a shipped model, an alias with an architecture, and one without."""
    registry = Registry()
    config = tmp_path / "config"
    config.mkdir()
    (config / "config.json").write_text("{}")
    shipped = Model("tiny", "", folder=tmp_path / "tiny", defaults={"steps": 3})
    for model in (
        shipped,
        Model("alias", "", hub_id="owner/served", config=config),
        Model("bare", "", hub_id="owner/served"),
    ):
        registry.models.add(model.id, model, Plugin("models", "test"))
    return registry


@pytest.fixture
def folder(tmp_path):
    """A folder that looks like a saved model."""
    path = tmp_path / "my-model"
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(b"weights")
    return path


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub on loopback, an empty cache, and nobody logged in."""
    from huggingface_hub import constants

    with local_hub.serve() as served:
        template = served.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", served.endpoint)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        served.repos["owner/served"] = Repo(
            {
                "config.json": b"{}",
                "tokenizer.json": b'{"version": "1.0"}',
                "model.safetensors": b"weights",
                "pytorch_model.bin": b"a pickle",
                "README.md": b"about",
            }
        )
        yield served


@pytest.fixture
def cut_off(monkeypatch):
    """Takes the hub away."""

    def cut():
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "ENDPOINT", UNREACHABLE)

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
    found = source.find("tiny", "pretrained", None, models)
    assert (found.id, found.folder.name, found.defaults) == ("tiny", "tiny", {"steps": 3})
    assert source.find("alias", "pretrained", "v1", models).hub_id == "owner/served"


def test_a_folder_is_named_by_its_own_name(models, folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = source.find(".", "pretrained", None, models)
    assert (found.id, found.folder) == ("my-model", folder)


def test_owner_and_name_are_a_hub_id(models):
    assert source.find("some-owner/some.model", "pretrained", "v1", models) == source.Source(
        "some-owner/some.model", "pretrained", "v1", hub_id="some-owner/some.model"
    )


@pytest.mark.parametrize("name", ["./no-such-folder", "../models/x", "/no/such/folder", "tinny"])
def test_what_is_neither_alias_folder_nor_hub_id_is_no_model(models, name):
    with pytest.raises(ModelError, match="There is no model"):
        source.find(name, "pretrained", None, models)


def test_an_unknown_model_gets_the_nearest_alias(models):
    with pytest.raises(ModelError, match="There is no model 'tinny': did you mean 'tiny'"):
        source.find("tinny", "pretrained", None, models)


def test_random_weights_need_an_architecture(models):
    with pytest.raises(ModelError, match="'bare' ships no architecture"):
        source.find("bare", "random", None, models)


def test_an_alias_that_two_plugins_offer_is_refused(models):
    models.models.add("tiny", Model("tiny", ""), Plugin("other", "another package"))
    with pytest.raises(PluginError, match=r"'models' of test and 'other' of another package"):
        source.find("tiny", "pretrained", None, models)


def test_a_folder_without_a_config_is_no_model(models, folder):
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"'my-model' has no config.json"):
        source.find(str(folder), "random", None, models)


def test_a_folder_of_pickles_is_refused_for_its_weights_alone(models, folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"'my-model' has no .safetensors weights"):
        source.find(str(folder), "pretrained", None, models)
    assert source.find(str(folder), "random", None, models).folder == folder


def test_a_folder_is_fetched_from_nowhere(hub, folder, models):
    found = source.find(str(folder), "pretrained", None, models)
    assert source.fetch(found, needs_tokenizer=True) is found
    assert hub.asked == []


def test_a_hub_model_is_fetched_at_the_commit_that_its_branch_stands_at(hub):
    found = source.fetch(on_hub(), needs_tokenizer=True)
    assert found.revision == COMMIT
    assert (found.folder / "model.safetensors").read_bytes() == b"weights"
    assert found.weights_location == found.tokenizer_location == str(found.folder)


def test_a_tag_becomes_the_commit_that_it_names(hub):
    assert source.fetch(on_hub(revision="v1"), needs_tokenizer=True).revision == COMMIT


def test_pickles_are_never_fetched(hub):
    found = source.fetch(on_hub(), needs_tokenizer=True)
    assert fetched_files(found) == ["config.json", "model.safetensors", "tokenizer.json"]


def test_random_weights_of_an_alias_touch_no_hub(hub, models):
    found = source.find("alias", "random", None, models)
    assert source.fetch(found, needs_tokenizer=False) is found
    assert hub.asked == []


def test_random_weights_with_text_fetch_the_tokenizer_alone(hub, models):
    found = source.fetch(source.find("alias", "random", None, models), needs_tokenizer=True)
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
    assert "is not in the cache" in refusal(replace(on_hub(), weights="pretrained"))


def test_a_hub_model_of_pickles_is_refused_by_its_name(hub):
    del hub.repos["owner/served"].files["model.safetensors"]
    assert refusal(on_hub()).startswith("'owner/served' has no .safetensors weights")


@pytest.mark.parametrize("status", [500, 503])
def test_a_hub_that_fails_is_one_sentence(hub, status):
    hub.repos["owner/failing"] = Repo(refusal=(status, ""))
    assert "'owner/failing'" in refusal(on_hub("owner/failing"))


def test_a_connection_that_breaks_is_one_sentence(hub):
    hub.repos["owner/broken"] = Repo(broken=True)
    assert "'owner/broken' cannot be fetched" in refusal(on_hub("owner/broken"))
