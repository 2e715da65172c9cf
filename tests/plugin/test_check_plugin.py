"""`llmbench plugins check`: what it says of plugins that behave, and of one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from distribution import IMPORTS, install, install_project, llmbench

from llmbench.command.plugins import KINDS
from llmbench.storage.store import Store
from llmbench.testing import new


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A new plugin of each kind, from an empty folder, installed and checked: folder and output."""
    folder = tmp_path_factory.mktemp("empty")
    site = folder / "site"
    site.mkdir()
    for kind in KINDS:
        new.create(f"my-{kind}", kind, folder)
        install_project(site, folder / f"llmbench-my-{kind}")
    names = [f"my-{kind}" for kind in KINDS]
    done = llmbench(site, "plugins", "check", *names, "--output", "kept", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_a_new_plugin_of_each_kind_passes_as_it_is(checked: tuple[Path, str]) -> None:
    lines = checked[1].splitlines()
    assert lines
    assert all(line.startswith("ok ") for line in lines)
    for said in (
        "'my-strategy' starts from the base model's loss as my-strategy+gradient-checkpointing",
        "'my-strategy' refuses another of its group",
        "'my-strategy' is the same when it is loaded again",
        "'my-metric' gives the scores that it declares",
        "'my-task' runs in a comparison",
        "'my-model' runs in a comparison",
        "'my-exporter' writes its file",
        "'my-probe' has figures in every phase",
        "'my-listener' hears a comparison to its end",
    ):
        assert any(said in line for line in lines), said


def test_each_kind_is_a_row_a_column_or_a_file_of_the_report(checked: tuple[Path, str]) -> None:
    of_task, of_model = (checked[0] / "kept" / name / "report" for name in ("tasks-0", "models-0"))
    records = {r.cell.composition: r for r in Store(of_task).read().records}
    mine = records["my-strategy"]
    assert mine.cell.task == "my-task"
    assert [m.id for m in mine.measures] == ["my_metric_share"]
    assert mine.phases["train"].probes["my-probe"]["processor_seconds"] > 0
    page = (of_task / "report.html").read_text("utf-8")
    assert "my-strategy" in page
    told = (of_task / "my-listener.tsv").read_text("utf-8").splitlines()
    assert [float(t.split("\t")[2]) for t in told if t.startswith(mine.cell.id)] == [
        step.loss for step in mine.steps
    ]
    assert "Share of words" in page
    assert "my-strategy" in (of_task / "my-exporter.txt").read_text("utf-8")
    assert "my-model" in (of_model / "report.html").read_text("utf-8")


NEEDY = (
    IMPORTS
    + """
from llmbench.plugin.launcher import Launcher
from llmbench.plugin.strategy import CannotRun

class Mine(Strategy):
    id, summary, group = "mine", "a group of its own, a GPU", "mine"

    def skip(self, settings, environment):
        return "It needs a GPU."

class Needy(Strategy):
    id, summary, group = "needy", "an option without a default", "needy"
    size: int

class Elsewhere(Launcher):
    id, summary = "elsewhere", "somewhere"

    def run(self, job, log, on_event): ...
    def interrupt(self): ...
    def close(self): ...

@hookimpl
def register_strategies(register):
    register(Mine)
    register(Needy)

@hookimpl
def register_launchers(register):
    register(Elsewhere)
"""
)


def test_what_cannot_be_tried_is_not_called_ok(tmp_path: Path) -> None:
    install(tmp_path, "needy", NEEDY)
    done = llmbench(tmp_path, "plugins", "check", "needy")
    assert done.returncode == 0, done.stdout + done.stderr
    for about, why in (
        ("'mine' refuses another of its group", "No built-in strategy"),
        ("'mine' runs as mine", "It is skipped here: It needs a GPU."),
        ("'needy' runs, trains and saves", "It needs 'size'"),
        ("'elsewhere' runs a worker", "A launcher is tried with --launcher"),
    ):
        assert f"not checked  needy: {about}\n             {why}" in done.stdout, done.stdout


WRONG = (
    "import torch\n"
    + IMPORTS
    + """
class Mine(Strategy):
    id, summary, group = "mine", "another model than it says", "adaptation"

    def prepair(self, model, settings):
        return model

    def prepare(self, model, settings):
        model.lm_head.weight.data.mul_(3)
        return model

@hookimpl
def register_strategies(register):
    register(Mine)

def register_metrics(register):
    pass
"""
)


def test_what_is_wrong_is_said_with_a_way_out(tmp_path: Path) -> None:
    install(tmp_path, "wrong", WRONG)
    done = llmbench(tmp_path, "plugins", "check", "wrong")
    assert done.returncode == 1, done.stdout + done.stderr
    for said in (
        "'register_metrics' is never called: put @hookimpl above it.",
        "'mine' has 'prepair', which nothing calls: call it 'prepare'",
        "It imports torch as it is loaded",
        "import it inside the methods that a worker calls",
        "and its figures are not to be used",
    ):
        assert said in done.stdout, (said, done.stdout)


def test_a_plugin_that_is_left_out_says_why(tmp_path: Path) -> None:
    install(tmp_path, "wrong", "import nothing")
    done = llmbench(tmp_path, "plugins", "check", "wrong")
    assert done.returncode == 1
    assert (
        "It is left out (ModuleNotFoundError: No module named 'nothing'): repair it." in done.stdout
    )


def test_one_that_is_not_installed_is_a_mistake_with_the_nearest(tmp_path: Path) -> None:
    done = llmbench(tmp_path, "plugins", "check", "strategie")
    assert (done.returncode, done.stdout) == (2, "")
    assert "The plugin 'strategie' is not installed: did you mean 'strategies'?" in done.stderr
