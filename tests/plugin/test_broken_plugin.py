"""Broken plugins, as real distributions under the real command line: named, and the rest works."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from distribution import IMPORTS, QUICK, REGISTER, STRATEGY, good, install, llmbench

from llmbench.storage.store import Store

MINE = IMPORTS + STRATEGY.format(id="mine")
PANIC = """
class Panic(BaseException):
    pass

raise Panic("from below")
"""
MUTE = """
class Mute(Exception):
    def __str__(self):
        raise ZeroDivisionError

raise Mute
"""
EXPORTER = """
from llmbench import hookimpl
from llmbench.plugin.exporter import Exporter

@hookimpl
def register_exporters(register):
    register(Exporter("theirs", "", "{filename}", lambda comparison: "theirs"))
"""

MODEL = """
from llmbench import hookimpl
from llmbench.plugin.model import Model

@hookimpl
def register_models(register):
    register(Model("theirs", "", defaults={defaults}))
"""


def writing(filename: str) -> str:
    return EXPORTER.format(filename=filename)


def declaring(line: str) -> str:
    return MINE.replace("(Strategy):", f"(Strategy):\n    {line}") + REGISTER


def registering(item: str) -> str:
    return MINE + REGISTER.replace("Mine", item)


LAUNCHER = """
from llmbench import hookimpl
from llmbench.plugin.launcher import Launcher

class Mine(Launcher):
    id, summary, automatic = "mine", "", "first"
    def run(self, job, log, on_event): ...
    def interrupt(self): ...
    def close(self): ...

@hookimpl
def register_launchers(register):
    register(Mine)
"""


@dataclass(frozen=True)
class Broken:
    """A plugin that is broken in one way, and what is said of it."""

    said: str
    code: str = ""
    value: str = ""


BROKEN = {
    "import": Broken("ModuleNotFoundError: No module named 'nothing'", "import nothing"),
    "syntax": Broken("SyntaxError", "def ("),
    "exit": Broken("SystemExit: 3", "raise SystemExit(3)"),
    "panic": Broken("Panic: from below", PANIC),
    "interrupt": Broken("KeyboardInterrupt", "raise KeyboardInterrupt"),
    "mute": Broken("Mute", MUTE),
    "raising-hook": Broken("ZeroDivisionError", MINE + REGISTER.replace("register(Mine)", "1 / 0")),
    "late-error": Broken("ZeroDivisionError", registering("Mine); (1 / 0")),
    "taken": Broken(
        "it registers the strategy 'lora', which is llmbench's", good("lora")
    ),
    "taken-file": Broken("it writes 'Report.html', which is llmbench's", writing("Report.html")),
    "header": Broken("it writes 'comparison.json', which is", writing("comparison.json")),
    "folder": Broken("it writes 'Records', which is llmbench's", writing("Records")),
    "lock": Broken("whose filename cannot be '.lock'", writing(".lock")),
    "file-elsewhere": Broken("whose filename cannot be '../x.txt'", writing("../x.txt")),
    "file-above": Broken("whose filename cannot be '..'", writing("..")),
    "no-file": Broken("whose filename cannot be ''", writing("")),
    "long-file": Broken("whose filename cannot be 'xxx", writing("x" * 300)),
    "two-files": Broken(
        "two of its exporters write 'x.txt'",
        writing("x.txt") + '    register(Exporter("other", "", "X.txt", str))\n',
    ),
    "class": Broken("it registers <class 'int'>, which is no Strategy", registering("int")),
    "instance": Broken("which is no Strategy with an id", registering("Mine()")),
    "none": Broken("it registers None, which is no Strategy", registering("None")),
    "bad-id": Broken("it registers the id 'lora+mine', which cannot be", good("lora+mine")),
    "reserved-id": Broken("it registers the id 'all', which cannot be", good("all")),
    "no-group": Broken(
        "whose group cannot be None",
        IMPORTS + "class Mine(Strategy):\n    id, summary = 'mine', ''\n" + REGISTER,
    ),
    "mixed-claims": Broken(
        "whose also_claims cannot be", declaring("also_claims = frozenset({1, 'memory'})")
    ),
    "odd-default": Broken(
        "whose option 'size' cannot be <object object", declaring("size: object = object()")
    ),
    "nan-default": Broken(
        "whose option 'size' cannot be nan", declaring("size: float = float('nan')")
    ),
    "number-default": Broken("whose defaults name 1: ", MODEL.format(defaults="{1: 2}")),
    "trusting-default": Broken(
        "whose defaults name 'trust_remote_code'",
        MODEL.format(defaults="{'steps': 9, 'trust_remote_code': True}"),
    ),
    "wrong-default": Broken(
        "whose default of 'steps' cannot be 'many'", MODEL.format(defaults="{'steps': 'many'}")
    ),
    "newer-hooks": Broken(
        "it is made for version 99 of the hooks, and this llmbench has 1: upgrade llmbench",
        good("mine") + "LLMBENCH_HOOKS = 99\n",
    ),
    "older-hooks": Broken("upgrade the plugin", good("mine") + "LLMBENCH_HOOKS = 0\n"),
    "odd-hooks": Broken("its LLMBENCH_HOOKS is 'one'", good("mine") + "LLMBENCH_HOOKS = 'one'\n"),
    "odd-rank": Broken("whose automatic cannot be 'first'", LAUNCHER),
    "twice": Broken("it registers 'mine' twice", registering("Mine); register(Mine")),
    "returning": Broken(
        "its register_strategies returns something instead of calling register",
        MINE + REGISTER.replace("register(Mine)", "return [Mine]"),
    ),
    "misspelt": Broken(
        "unknown hook 'register_strategy'", MINE + REGISTER.replace("strategies", "strategy")
    ),
    "newer": Broken(
        "it may be made for another version of llmbench",
        MINE + REGISTER.replace("(register)", "(register, schema)"),
    ),
    "no-module": Broken("ModuleNotFoundError", value="not_there_at_all"),
    "no-attribute": Broken("AttributeError", "x = 1", value="no_attribute:plugin"),
    "odd-value": Broken("which names no module", value="what is this?"),
}  # fmt: skip


def installed(folder: Path, kind: str) -> None:
    broken = BROKEN[kind]
    install(folder, kind, broken.code, broken.value)


STAGES = ("panic", "late-error", "taken-file", "misspelt", "odd-value")
"""One that is broken at each stage of loading; why, of every kind, is held below."""


@pytest.mark.parametrize("kind", STAGES)
def test_a_broken_plugin_is_fatal_only_where_that_is_asked_for(tmp_path: Path, kind: str) -> None:
    installed(tmp_path, kind)
    done = llmbench(tmp_path, "list", "strategies", "--strict-plugins")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert f"of {kind} 1.0 is left out (" in done.stderr
    assert BROKEN[kind].said in done.stderr


@dataclass(frozen=True)
class Unruly:
    """What a plugin does to the process when it is imported; it works all the same."""

    code: str
    heard: str = ""


UNRULY = {
    "chatty": Unruly("print('hello from an import')", "hello from an import"),
    "direct": Unruly("import os; os.write(1, b'hello past Python')", "hello past Python"),
    "parental": Unruly("import os; os.system('echo hello from a child')", "hello from a child"),
    "old": Unruly("import sys; sys.__stdout__.write('hello of old')", "hello of old"),
    "closing": Unruly("import sys; sys.stdout.close(); sys.stderr.close()"),
    "cutting": Unruly("import os; os.close(1); os.close(2)"),
    "wrapping": Unruly("import io, sys; sys.stdout = io.TextIOWrapper(sys.stdout.detach())"),
    "moving": Unruly("import os; os.chdir('/')"),
    "deaf": Unruly("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"),
}


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every kind of broken plugin, one that works, and those that are unruly."""
    folder = tmp_path_factory.mktemp("site")
    for kind in BROKEN:
        installed(folder, kind)
    install(folder, "fine", good("fine"))
    for name, unruly in UNRULY.items():
        install(folder, name, f"{unruly.code}\n{good(name)}")
    return folder


def test_every_broken_plugin_is_named_and_all_others_work(everything: Path) -> None:
    done = llmbench(everything, "list", "plugins", "--json")
    assert done.returncode == 0
    found = {p["package"]: p for p in json.loads(done.stdout)}
    for kind, broken in BROKEN.items():
        said = found[f"{kind} 1.0"]["broken"]
        assert broken.said in said
        assert "\n" not in said
    working = {p["package"].split()[0] for p in found.values() if not p["broken"]}
    assert working == {"llmbench", "fine", *UNRULY}


def test_what_a_plugin_prints_is_no_output_of_the_command(everything: Path) -> None:
    done = llmbench(everything, "list", "strategies", "--json")
    assert {"lora", "fine", *UNRULY} <= {s["id"] for s in json.loads(done.stdout)}
    assert all(unruly.heard in done.stderr for unruly in UNRULY.values())


def test_paths_are_those_of_the_working_directory_wherever_a_plugin_goes(tmp_path: Path) -> None:
    install(tmp_path, "moving", UNRULY["moving"].code)
    (tmp_path / "mine.toml").write_text("steps = 7\n")
    done = llmbench(tmp_path, "compare", "--config", "mine.toml", "--show-config")
    assert (done.returncode, done.stderr) == (0, "")
    assert ["steps", "7", "mine.toml"] in [line.split() for line in done.stdout.splitlines()]


def test_a_plan_is_made_without_the_broken_plugins(everything: Path) -> None:
    done = llmbench(everything, "compare", "--dry-run")
    assert done.returncode == 0
    cells = [line.split()[0] for line in done.stdout.splitlines()[1:] if line]
    assert cells[:2] == ["base", "full"]
    assert {"lora", "fine", *UNRULY} <= set(cells)


def test_a_package_without_metadata_is_named_as_unknown(tmp_path: Path) -> None:
    install(tmp_path, "nameless", "1 / 0")
    (tmp_path / "nameless-1.0.dist-info" / "METADATA").unlink()
    done = llmbench(tmp_path, "list", "plugins")
    assert done.returncode == 0
    assert re.search("nameless +an unknown package +ZeroDivisionError", done.stdout)


def test_an_id_that_two_others_claim_is_nobodys_and_all_does_without_it(tmp_path: Path) -> None:
    install(tmp_path, "one", good("same"))
    install(tmp_path, "two", good("same"))
    used = llmbench(tmp_path, "compare", "--dry-run", "--strategies", "same")
    assert used.returncode == 2
    assert "is registered by 'one' of one 1.0 and 'two' of two 1.0" in used.stderr
    unused = llmbench(tmp_path, "compare", "--dry-run")
    assert (unused.returncode, "same" in unused.stdout) == (0, False)


def test_all_leaves_out_what_cannot_stand_alone(tmp_path: Path) -> None:
    code = good("demanding").replace("(Strategy):", "(Strategy):\n    size: int\n")
    install(tmp_path, "demanding", code)
    done = llmbench(tmp_path, "compare", "--dry-run")
    assert (done.returncode, "demanding" in done.stdout) == (0, False)


WORKER = (
    IMPORTS
    + """
import os
from llmbench.plugin.metric import Metric, Score

class Base(Strategy):
    summary, group = "", "adaptation"

class Raising(Base):
    id = "raising"
    def prepare(self, model, settings):
        raise ValueError("not on my watch")

class Leaving(Base):
    id = "leaving"
    def prepare(self, model, settings):
        raise SystemExit(0)

class Interrupting(Base):
    id = "interrupting"
    def prepare(self, model, settings):
        raise KeyboardInterrupt

class Forgetful(Base):
    id = "forgetful"
    def prepare(self, model, settings):
        pass

class Gone(Base):
    id = "gone"
    def prepare(self, model, settings):
        os._exit(7)

class Unplanned(Base):
    id = "unplanned"
    def adjust(self, settings, environment):
        return 1 / 0

class Few(Metric):
    id, summary = "few", ""
    def score(self, predictions, references):
        return Score(examples={"few": [1.0]})

@hookimpl
def register_strategies(register):
    for kind in (Raising, Leaving, Interrupting, Forgetful, Gone, Unplanned):
        register(kind)

@hookimpl
def register_metrics(register):
    register(Few)
"""
)


def test_a_plugin_that_fails_in_a_worker_costs_its_own_cell_alone(tmp_path: Path) -> None:
    install(tmp_path, "unruly", WORKER)
    install(tmp_path, "broken", "1 / 0")
    install(tmp_path, "exporting", writing("x.txt").replace('"theirs")', "1 / 0)"))
    done = llmbench(
        tmp_path, "compare", *QUICK, "--metrics", "few,rouge", "--output", "out",
        "--strategies", "raising,leaving,interrupting,forgetful,gone,unplanned,lora",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "The exporter 'theirs' of exporting 1.0 failed in render" in done.stderr
    read = Store(tmp_path / "out").read()
    reasons = {r.cell.composition: r.reason for r in read.records}
    for name, said in {
        "raising": "failed in prepare (ValueError: not on my watch).",
        "leaving": "failed in prepare (SystemExit: 0).",
        "interrupting": "failed in prepare (KeyboardInterrupt).",
        "forgetful": "failed in prepare (it returned NoneType, not a model).",
        "unplanned": "failed in adjust (ZeroDivisionError: division by zero).",
    }.items():
        assert reasons[name] == f"The strategy '{name}' of unruly 1.0 {said}"
    assert reasons["gone"].startswith("The worker ended with exit status 7")
    for record in read.records:
        if record.cell.composition in ("base", "lora"):
            assert record.reason == (
                "The metric 'few' of unruly 1.0 failed in score (it gave 1 of 2 scores of 'few')."
            )
            assert all(e.scores["rougeL"] >= 0 for e in record.examples)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "&#39;broken&#39; of broken 1.0 is left out (ZeroDivisionError" in page
