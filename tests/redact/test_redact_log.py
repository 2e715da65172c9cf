"""Logs are redacted in place, whatever bytes they hold and however long they are."""

from __future__ import annotations

import pytest
from records import cell, environment

from llmbench.errors import Stop
from llmbench.plugin.launcher import Launcher
from llmbench.redact import log as log_
from llmbench.workers import outcome
from llmbench.workers.job import EstimateJob
from llmbench.workers.launch import Workers
from llmbench.workers.outcome import EstimateError, answer_of

BEGIN, END = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
pytestmark = pytest.mark.usefixtures("somebody")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cell.log"


def test_a_log_is_redacted_in_place_and_bytes_that_are_no_text_stay(path):
    path.write_bytes(b"one my-own-token\n\xff\xfe bar\r 50%\nlast line of /home/zaphod")
    log_.clean(path)
    assert path.read_bytes() == b"one [secret]\n\xff\xfe bar\r 50%\nlast line of ~"
    assert [p.name for p in path.parent.iterdir()] == ["cell.log"]


def test_a_log_without_anything_to_take_out_is_left_as_it_is(path):
    path.write_bytes(b"nothing\n")
    before = path.stat().st_ino
    log_.clean(path)
    log_.clean(path.with_name("not-there.log"))
    assert path.stat().st_ino == before


def test_of_a_private_key_no_line_is_left(path):
    body = "\n".join(f"MIIE{n}" for n in range(50))
    path.write_text(f"before\nkey: {BEGIN}\n{body}\n{END}\nbetween\n{BEGIN}\n{body}")
    log_.clean(path)
    assert path.read_text() == "before\nkey: [secret]\nbetween\n[secret]"


def test_what_only_begins_like_a_private_key_does_not_cost_the_rest_of_the_log(path):
    lines = "a line of the log\n" * (log_.MOST_KEY_BYTES // 10)
    path.write_text(f"{BEGIN}\n{lines}the end\n")
    log_.clean(path)
    assert path.read_text().startswith("[secret]")
    assert path.read_text().endswith("a line of the log\nthe end\n")


def test_the_last_lines_show_no_end_of_a_private_key_that_begins_before_them(path):
    body = "\n".join(f"MIIE{n}" for n in range(50))
    path.write_text(f"{BEGIN}\n{body}\n{END}\nfailed")
    assert outcome.last_lines(path) == "[secret]\nfailed"


class Chatty(Launcher):
    """Runs nothing, and says in the log what must not stand there."""

    id, summary = "chatty", ""
    fails = False

    def run(self, job, log, on_event):
        log.write_text("my-own-token of zaphod\n")
        if self.fails:
            raise Stop
        return 1

    def interrupt(self):
        """Nothing runs."""

    close = interrupt


@pytest.mark.parametrize(("fails", "ends"), [(False, EstimateError), (True, Stop)])
def test_the_log_of_a_prediction_is_redacted_however_it_ends(
    path, registry, monkeypatch, fails, ends
):
    launcher = Chatty()
    launcher.fails = fails
    job = EstimateJob(
        cells=(cell("lora"),),
        environment=environment(),
        model_source="m",
        answer_file=path.with_name("answer.json"),
    )
    with pytest.raises(ends):
        answer_of(job, Workers({"chatty": lambda: launcher}).run(job, path, print))
    assert path.read_text() == "[secret] of user\n"
