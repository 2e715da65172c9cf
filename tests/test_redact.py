from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import cell, ended, ok

from llmbench import redact, secret
from llmbench.record import Member

LONG = "A1b2C3d4E5f6G7h8I9j0K1l2M3"


@pytest.fixture(autouse=True)
def somebody(monkeypatch, tmp_path):
    """A user called zaphod, on a host called heartofgold, with a token."""
    for name in ("HF_HOME", "HF_TOKEN_PATH", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/zaphod")
    monkeypatch.setenv("USER", "zaphod")
    monkeypatch.setenv("LOGNAME", "zaphod")
    monkeypatch.setenv("HF_TOKEN", "my-own-token")
    monkeypatch.setattr("socket.gethostname", lambda: "heartofgold.example.org")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("the token my-own-token is wrong", "the token [secret] is wrong"),
        (f"hf_{LONG}", "[secret]"),
        (f"sk-{LONG}.", "[secret]."),
        (f"ghp_{LONG} github_pat_{LONG}", "[secret] [secret]"),
        ("AKIAIOSFODNN7EXAMPLE", "[secret]"),
        ("https://me:pass@hub.example/x", "https://[secret]@hub.example/x"),
        ("https://me@hub.example/x", "https://[secret]@hub.example/x"),
        ("https://hub.example/x?a=1&token=abc&b=2", "https://hub.example/x?a=1&token=[secret]&b=2"),
        ("'Authorization': 'Bearer abc'", "'Authorization': 'Bearer [secret]'"),
        ("sent bearer abcdefgh12", "sent bearer [secret]"),
        ("compare --hub-token abc --steps 3", "compare --hub-token [secret] --steps 3"),
        ("password='hunter22x'", "password='[secret]'"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc", "[secret]"),
        ("/home/zaphod/model and /home/zaphodias", "~/model and /home/zaphodias"),
        ("/scratch/zaphod/data on heartofgold", "/scratch/user/data on host"),
        ("zaphod@heartofgold.example.org:/x", "user@host:/x"),
    ],
)  # fmt: skip
def test_what_must_not_be_written_is_taken_out(text, clean):
    assert redact.text(text) == clean
    assert redact.text(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "pad_token = tokenizer.eos_token",
        "max_new_tokens=128, hf_quantizer, hf_device_map",
        "git@github.com:llmbench, sk-learn, a@b.c",
        "key=value, token: <|endoftext|>",
        'File "/usr/lib/python3.11/site-packages/peft/tuners/lora/model.py", line 3',
        "lora(r=64)+4-bit",
        "https://huggingface.co/owner/model/resolve/main/config.json",
    ],
)
def test_what_is_harmless_stays(text):
    assert redact.text(text) == text


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("AWS_SECRET_ACCESS_KEY", "abcdef/gh", True),
        ("OPENAI_API_KEY", "abcdef", True),
        ("WANDB_APIKEY", "abcdef", True),
        ("DB_PASSWORD", "correct horse", True),
        ("MY_CREDENTIALS", "abcdef", True),
        ("TOKENIZERS_PARALLELISM", "somehow", False),
        ("LLMBENCH_TOKEN_KEY", "abcdef", False),
        ("SOME_KEY", "abc", False),
        ("SOME_KEY", "123456", False),
        ("SOME_KEY", "false", False),
        ("SOME_KEY", "/usr/lib", False),
        ("KEYBOARD", "qwertz", False),
        ("DATABASE_URL", "postgres://me:abcdef@db/x", False),
    ],
)
def test_a_variable_s_name_tells_whether_its_value_is_secret(monkeypatch, name, value, is_secret):
    monkeypatch.setenv(name, value)
    assert (value in secret.known()) == is_secret


def test_a_password_in_the_address_of_a_variable_is_secret_by_itself(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:prox1mity@proxy:8080")
    assert redact.text("user me, password prox1mity") == "user me, password [secret]"


def test_a_secret_is_found_in_an_address_and_in_a_string_too(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", 'a/b "ü" c')
    assert redact.text(r"a%2Fb%20%22%C3%BC%22%20c and a/b \"\u00fc\" c") == "[secret] and [secret]"


def test_the_hub_s_token_file_is_known(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    (tmp_path / "token").write_text("filed-token\n")
    assert redact.text("filed-token") == "[secret]"


def test_common_names_of_users_and_hosts_are_words_like_others(monkeypatch):
    monkeypatch.setenv("USER", "root")
    monkeypatch.setenv("LOGNAME", "root")
    monkeypatch.setenv("HOME", "/root")
    monkeypatch.setattr("socket.gethostname", lambda: "localhost")
    assert redact.text("the root of /root/x on localhost") == "the root of ~/x on localhost"


def test_a_record_keeps_its_figures_its_examples_and_its_cell():
    record = ok("lora").model_copy(update={"warnings": ("zaphod was here",)})
    example = record.examples[0].model_copy(update={"prediction": "zaphod has my-own-token"})
    record = record.model_copy(update={"examples": (example, *record.examples[1:])})
    clean = redact.record(record)
    assert clean.warnings == ("user was here",)
    assert clean == record.model_copy(update={"warnings": clean.warnings})


def test_what_a_cell_names_is_redacted_where_it_is_a_path_or_a_secret(monkeypatch):
    monkeypatch.setenv("USER", "lora")
    options = {"path": "/home/zaphod/x", "url": "https://me:pass@hub/", "lora": "lora"}
    made = cell("lora", members=(Member(id="lora", options=options, distribution="x"),))
    clean = redact.cell(made)
    assert (clean.id, clean.composition) == (made.id, "lora")
    assert clean.members[0].options == {
        "path": "~/x",
        "url": "https://[secret]@hub/",
        "lora": "lora",
    }


def test_halves_of_characters_are_made_writable():
    assert redact.text("no such file: \udcff.txt").encode() == b"no such file: ?.txt"


def test_a_reason_is_prose():
    assert redact.record(ended("lora", "failed", "zaphod: no")).reason == "user: no"


def test_a_log_is_redacted_in_place_and_bytes_that_are_no_text_stay(tmp_path):
    log = tmp_path / "cell.log"
    log.write_bytes(b"one my-own-token\n\xff\xfe bar\r 50%\nlast line of /home/zaphod")
    redact.file(log)
    assert log.read_bytes() == b"one [secret]\n\xff\xfe bar\r 50%\nlast line of ~"
    assert [p.name for p in tmp_path.iterdir()] == ["cell.log"]


def test_a_log_without_anything_to_take_out_is_left_as_it_is(tmp_path):
    log = tmp_path / "cell.log"
    log.write_bytes(b"nothing\n")
    before = log.stat().st_ino
    redact.file(log)
    redact.file(tmp_path / "not-there.log")
    assert log.stat().st_ino == before


@given(st.text(), st.sampled_from(["my-own-token", "/home/zaphod/x", f"hf_{LONG}"]), st.text())
def test_no_text_around_it_hides_a_secret(before, hidden, after):
    clean = redact.text(f"{before} {hidden} {after}")
    assert hidden not in clean
    assert redact.text(clean) == clean


@pytest.mark.parametrize("piece", ["x", "-", "token=", "?token", "://", "a://b", "eyJ", "bearer "])
def test_long_lines_take_time_that_grows_with_them(piece):
    def seconds(count):
        began = time.process_time()
        redact.text(piece * count)
        return time.process_time() - began

    seconds(10)
    assert seconds(40_000) < 5
