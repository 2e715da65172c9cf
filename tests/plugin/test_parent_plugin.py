"""Plugins that load and then misbehave in the parent: named, and the rest works."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from distribution import IMPORTS, install, llmbench

STRATEGIES = (
    IMPORTS
    + """
from pydantic import field_serializer

class Base(Strategy):
    summary, group = "", "adaptation"

class Claiming(Base):
    id = "claiming"
    def claims(self):
        raise ValueError("all mine")

class Listing(Base):
    id = "listing"
    def claims(self):
        return ["adaptation"]

class Secretive(Base):
    id = "secretive"
    size: int = 1
    @field_serializer("size")
    def no(self, size):
        raise ValueError("not to be told")

class Standing(Base):
    id, group, stands_on = "standing", "memory", "demanding"

class Demanding(Base):
    id = "demanding"
    size: int

class Interrupting(Base):
    id = "interrupting"
    def skip(self, settings, environment):
        raise KeyboardInterrupt

class Mute(Exception):
    def __str__(self):
        raise ValueError

class Silent(Base):
    id = "silent"
    def adjust(self, settings, environment):
        raise Mute

@hookimpl
def register_strategies(register):
    for kind in Base.__subclasses__():
        register(kind)
"""
)
OTHERS = """
from pathlib import Path
from llmbench import hookimpl
from llmbench.plugin.metric import Metric
from llmbench.plugin.model import Model

class Odd(Metric):
    id, summary = "odd", ""
    @classmethod
    def check(cls, argument):
        return object()
    def score(self, predictions, references):
        raise NotImplementedError

@hookimpl
def register_metrics(register):
    register(Odd)

@hookimpl
def register_models(register):
    register(Model("moved", "", folder=Path("/nowhere")))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    install(folder, "ways", STRATEGIES)
    install(folder, "others", OTHERS)
    return folder


def test_strategies_that_cannot_be_asked_are_named_and_cost_no_other(site: Path) -> None:
    done = llmbench(site, "compare", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    for name, said in {
        "interrupting": "failed in skip (KeyboardInterrupt).",
        "silent": "failed in adjust (Mute).",
    }.items():
        assert f"The strategy '{name}' of ways 1.0 {said}" in done.stdout
    cells = {line.split()[0] for line in done.stdout.splitlines()[1:] if line}
    assert {"lora", "interrupting", "silent"} <= cells
    assert not {"claiming", "listing", "secretive", "standing"} & cells


def test_they_are_listed_all_the_same(site: Path) -> None:
    done = llmbench(site, "list", "strategies", "--json")
    assert {"lora", "claiming", "silent"} <= {s["id"] for s in json.loads(done.stdout)}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--strategies", "claiming"], "failed in claims (ValueError: all mine)."),
        (["--strategies", "listing"], "failed in claims (it returned list, no set of words)."),
        (["--strategies", "secretive"], "The strategy 'secretive' of ways 1.0 failed in reading"),
        (["--strategies", "standing"], "'demanding' needs its option 'size': write "),
        (["--strategies", "secretive(size=x)"], "'secretive(size=x)' cannot be: give a"),
        (["--metrics", "odd"], "The metric 'odd' of others 1.0 failed in check (it returned obj"),
        (["--model", "moved"], "The model 'moved' of others 1.0 lacks '/nowhere/config.json': "),
    ],
)
def test_what_is_asked_for_and_broken_is_one_sentence(
    site: Path, args: list[str], said: str
) -> None:
    done = llmbench(site, "compare", "--dry-run", *args)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr


def test_ctrl_c_ends_the_command_also_while_a_plugin_is_imported(tmp_path: Path) -> None:
    install(tmp_path, "slow", "open('begun', 'w').close()\nimport time\ntime.sleep(60)\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-m", "llmbench", "list", "strategies"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "llmbench: interrupted.\n")
    assert process.returncode == 130
