"""Secrets and names in a whole comparison under the real command line: none is written anywhere."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from distribution import IMPORTS, QUICK, install, llmbench

from llmbench import redact

KNOWN, URL, ARGUMENT, HUB = "cAnArY-known", "cAnArYurl", "cAnArYargument", "cAnArYhub"
NAME = "zaphodbeeblebrox"
CODE = (
    IMPORTS
    + """
import os, sys
from pathlib import Path

class Telling(Strategy):
    id, summary, group = "telling", "", "adaptation"
    url: str = ""

    def prepare(self, model, settings):
        print("printed", os.environ["SOME_API_KEY"], flush=True)
        os.system("echo from a child $SOME_API_KEY $HOME; id -un; hostname")
        told = f"{os.environ['SOME_API_KEY']} {self.url} {Path.home()} {os.environ['USER']}"
        raise ValueError(f"the key {told} on {os.uname().nodename} is wrong")

@hookimpl
def register_strategies(register):
    register(Telling)
"""
)
BROKEN = "import os\nraise ValueError('no ' + os.environ['SOME_API_KEY'] + os.environ['HOME'])"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The directory of a comparison that meets a canary in every corner, and the command's end."""
    folder = tmp_path_factory.mktemp("canary")
    install(folder, "telling", CODE)
    install(folder, "leaky", BROKEN)
    home = folder / NAME
    home.mkdir()
    url = f"https://me:{URL}@hub.example/x?token={ARGUMENT}"
    done = llmbench(
        folder, "compare", *QUICK, "--strategies", f"telling(url={url})",
        "--output", str(home / "out"), cwd=home,
        HOME=str(home), USER=NAME, LOGNAME=NAME, SOME_API_KEY=KNOWN, HF_TOKEN=HUB,
    )  # fmt: skip
    again = llmbench(folder, "report", "out", cwd=home, HOME=str(home), USER=NAME, LOGNAME=NAME)
    assert again.returncode == 0, again.stderr
    return home / "out", done


def test_the_comparison_ran_and_met_the_canaries(told) -> None:
    out, done = told
    assert done.returncode == 1, done.stderr
    log = next((out / "logs").glob("telling*.log")).read_text()
    assert "printed [secret]\n" in log
    assert "from a child [secret] ~\n" in log
    record = next((out / "records").glob("telling*.json")).read_text()
    assert "the key [secret] https://[secret]@hub.example/x?token=[secret] ~ user on" in record


@pytest.mark.parametrize("canary", [KNOWN, URL, ARGUMENT, HUB])
def test_no_secret_is_in_any_file_or_file_name_or_on_the_terminal(told, canary) -> None:
    out, done = told
    assert canary not in done.stdout + done.stderr
    files = [p for p in out.rglob("*") if p.is_file()]
    assert len(files) > 10
    assert [p.name for p in files if canary in p.read_text(errors="replace")] == []
    assert [p.name for p in files if canary in p.name] == []


def test_neither_user_nor_home_nor_host_is_in_any_file(told) -> None:
    out, _ = told
    home, host = str(out.parent), socket.gethostname()
    hidden = [NAME, home]
    if redact.text(f"on {host}") != f"on {host}":  # a telling name
        hidden.append(host)
    for path in (p for p in out.rglob("*") if p.is_file()):
        content = path.read_text(errors="replace")
        assert [h for h in hidden if h in content] == [], path.name


@pytest.mark.parametrize("option", ["--data", "--eval-data", "--model", "--config", "--task"])
def test_a_secret_in_an_option_is_not_echoed(tmp_path: Path, option: str) -> None:
    done = llmbench(tmp_path, "compare", option, f"https://me:{URL}@hub/x?token={ARGUMENT}")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert URL not in done.stderr
    assert ARGUMENT not in done.stderr


def test_the_configuration_is_shown_without_secrets(tmp_path: Path) -> None:
    done = llmbench(tmp_path, "compare", "--show-config", "--data", f"https://me:{URL}@hub/x")
    assert "https://[secret]@hub/x" in done.stdout
