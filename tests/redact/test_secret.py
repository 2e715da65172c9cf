"""Which secrets this process knows of, and in which forms it finds them again."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from llmbench import plugin, redact
from llmbench.redact import secret

pytestmark = pytest.mark.usefixtures("somebody")


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("AWS_SECRET_ACCESS_KEY", "abcdef/gh", True),
        ("OPENAI_API_KEY", "abcdef1", True),
        ("WANDB_APIKEY", "Abcdef", True),
        ("DB_PASSWORD", "correct horse", True),
        ("MY_CREDENTIALS", "abc-def", True),
        ("PGPASSWORD", "abc-def", True),
        ("MYSQL_PWD", "abc-def", True),
        ("SSHPASS", "abc-def", True),
        ("SOME_KEY", "abcdefghijkl", True),
        ("SOME_KEY", "abcdefghijk", False),
        ("SOME_KEY", "abc1", False),
        ("SOME_KEY", "123456.7", False),
        ("SOME_KEY", "FALSE", False),
        ("SOME_KEY", "/usr/lib", False),
        ("PWD", "abc-def", False),
        ("CACHE_BYPASS", "abc-def", False),
        ("TOKENIZERS_PARALLELISM", "some-how", False),
        ("LLMBENCH_TOKEN_KEY", "abc-def", False),
        ("KEYBOARD", "qwertz-1", False),
        ("DATABASE_URL", "postgres://me:abc-def@db/x", False),
    ],
)
def test_a_variable_tells_by_its_name_and_value_whether_it_is_secret(
    monkeypatch, name, value, is_secret
):
    monkeypatch.setenv(name, value)
    assert (value in secret.known()) == is_secret


@pytest.mark.parametrize("name", ["llmbench-tiny", "checkpointing", "summarization"])
def test_what_plugins_call_things_is_no_secret(monkeypatch, name):
    monkeypatch.setenv("SOME_KEY", name)
    plugin.registry()
    assert redact.text(f"full of {name}") == f"full of {name}"


@pytest.mark.parametrize("password", ["prox1mity", "p@prox1mity", "p/prox1mity"])
def test_a_password_in_the_address_of_a_variable_is_secret_by_itself(monkeypatch, password):
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{password}@proxy:8080")
    assert redact.text(f"user me, that is {password}") == "user me, that is [secret]"


def test_a_port_in_the_address_of_a_variable_is_no_password(monkeypatch):
    monkeypatch.setenv("REGISTRY", "http://localhost:8080/packages/@scope/name")
    assert redact.text("8080/packages/") == "8080/packages/"


@pytest.mark.parametrize(
    "written",
    [
        str,
        lambda s: quote(s, safe=""),
        lambda s: json.dumps(s)[1:-1],
        lambda s: repr(s)[1:-1],
    ],
)
def test_a_secret_is_found_however_it_is_written(monkeypatch, written):
    monkeypatch.setenv("SOME_TOKEN", "a/b \"ü\" & 'c'")
    text = written("a/b \"ü\" & 'c'")
    assert redact.text(f"<{text}>") == "<[secret]>"


def test_a_variable_that_is_no_text_stands_in_nothing_s_way(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "abc-\udcff-def")
    assert redact.text("abc") == "abc"


def test_the_token_files_of_the_hub_s_client_are_known(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    (tmp_path / "token").write_text("filed-token\n")
    (tmp_path / "stored_tokens").write_text("[mine]\nhf_token = stored-token\n\n[other]\n")
    assert redact.text("filed-token, stored-token, [other]") == "[secret], [secret], [other]"


def test_a_stored_token_may_lie_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_STORED_TOKENS_PATH", str(tmp_path / "mine"))
    (tmp_path / "mine").write_text("hf_token = stored-token\n")
    assert redact.text("stored-token") == "[secret]"
