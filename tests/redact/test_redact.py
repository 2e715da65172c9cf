"""What is taken out of a text: known secrets, home directories, and names of user and host."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmbench import redact

LONG = "A1b2C3d4E5f6G7h8I9j0K1l2M3"
pytestmark = pytest.mark.usefixtures("somebody")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("the token my-own-token is wrong", "the token [secret] is wrong"),
        ("x_my-own-token%3Dmy-own-token", "x_[secret]%3D[secret]"),
        (r"b'one\nmy-own-token\ntwo'", r"b'one\n[secret]\ntwo'"),
        ("\x1b[31mmy-own-token\x1b[0m", "\x1b[31m[secret]\x1b[0m"),
        ("/home/zaphod/model and /home/zaphodias", "~/model and /home/zaphodias"),
        ("file:///home/zaphod/model", "file://~/model"),
        ("?path=%2Fhome%2Fzaphod%2Fmodel", "?path=~%2Fmodel"),
        ("/scratch/zaphod/data on heartofgold", "/scratch/user/data on host"),
        ("Zaphod is ZAPHOD on HeartOfGold", "user is user on host"),
        ("zaphod@heartofgold.example.org:/x", "user@host:/x"),
        ("/scratch%2Fzaphod%2Fdata", "/scratch%2Fuser%2Fdata"),
        ("zaphod/train.jsonl in home/zaphod", "user/train.jsonl in home/user"),
        ("llmbench compare --output zaphod/out", "llmbench compare --output user/out"),
    ],
)
def test_what_must_not_be_written_is_taken_out(text, clean):
    assert redact.text(text) == clean
    assert redact.text(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "The model 'zaphod/tiny' is gated: ask for access on its hub page.",
        "llmbench compare --model zaphod/tiny --data zaphod/data-1.5",
        "{'model':'zaphod/tiny', 'other': 'somebody/zaphod'}",
        "tummy-own-tokens, my-own-token2",
        "/mnt/home/zaphodias/x",
    ],
)
def test_models_of_a_hub_and_other_words_stay(text):
    assert redact.text(text) == text


def test_a_user_who_is_called_like_an_owner_of_models_changes_no_model(monkeypatch):
    monkeypatch.setenv("USER", "google")
    assert redact.text("google/gemma-2b of google") == "google/gemma-2b of user"


def test_a_short_home_directory_is_no_part_of_another_path_nor_of_a_model(monkeypatch):
    monkeypatch.setenv("HOME", "/app")
    untouched = "/mnt/app/data.jsonl owner/app ./app ~/app /app-2 /app.d"
    assert redact.text(f"{untouched} /app/x") == f"{untouched} ~/x"


def test_common_names_of_users_and_hosts_are_words_like_others(monkeypatch):
    monkeypatch.setenv("USER", "root")
    monkeypatch.setenv("LOGNAME", "root")
    monkeypatch.setenv("HOME", "/root")
    monkeypatch.setattr("socket.gethostname", lambda: "localhost")
    assert redact.text("the root of /root/x on localhost") == "the root of ~/x on localhost"


def test_halves_of_characters_are_made_writable():
    assert redact.text("no such file: \udcff.txt").encode() == b"no such file: ?.txt"


def test_names_of_figures_are_redacted_and_none_takes_another_s_place():
    figures = {"my-own-token": 1, "/home/zaphod": 2, "[secret]": 3, "speed": 4}
    assert redact.redactor().keyed(figures) == {"[secret]": 1, "~": 2, "[secret] 2": 3, "speed": 4}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.sampled_from(["my-own-token", "/home/zaphod/x", f"hf_{LONG}"]), st.text())
def test_no_text_around_it_hides_a_secret(before, hidden, after):
    clean = redact.text(f"{before} {hidden} {after}")
    assert hidden not in clean
    assert redact.text(clean) == clean


@pytest.mark.parametrize(
    "piece",
    [
        *("x", "-", "--", "token=", "?token", "://", "a://b", "://a:", "eyJ", "bearer ", "x-a"),
        *("password='", "authorization: ", "secret: a.", "a/zaphod@", "/home/zaphod"),
        *("-----BEGIN PRIVATE KEY", "my-own-token"),
    ],
)
def test_long_lines_take_time_that_grows_with_them(piece):
    def seconds(count):
        began = time.process_time()
        redact.text(piece * count)
        return time.process_time() - began

    seconds(10)
    assert seconds(40_000) < 5
