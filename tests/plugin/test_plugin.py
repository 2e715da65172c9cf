from __future__ import annotations

import importlib
import signal
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from llmbench import plugin
from llmbench.errors import CompositionError, ConfigError, PluginError
from llmbench.output.listing import listing
from llmbench.plugin import catalogue
from llmbench.plugin.catalogue import CHOICE, GROUP, Catalogue, Plugin
from llmbench.plugin.shape import reason
from llmbench.record.measure import Measure

GOOD = """
from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy

class Mine(Strategy):
    id, summary, group = "mine", "a strategy", "adaptation"

@hookimpl
def register_strategies(register):
    register(Mine)
"""


class Distribution:
    """As much of a distribution as plugins are told apart by."""

    def __init__(self, name, version="1.0"):
        self.name, self.version = name, version


@pytest.fixture
def write_plugin(tmp_path, monkeypatch):
    """Writes a module that plugins can be loaded from; returns its entry point."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, code: str) -> EntryPoint:
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(code)
        importlib.invalidate_caches()
        return point(name, name, f"the-{name}")

    return write


def point(name: str, module: str, distribution: str) -> EntryPoint:
    made = EntryPoint(name, module, GROUP)
    made._for(Distribution(distribution))
    return made


def test_what_a_plugin_registers_is_found_with_its_distribution(write_plugin):
    found = plugin.load([write_plugin("good_one", GOOD)])
    entry = found.strategies.entries["mine"]
    assert entry.item.summary == "a strategy"
    assert entry.source == Plugin("good_one", "the-good_one 1.0")
    assert found.plugins == [entry.source]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        (GOOD.replace("register(Mine)", "register(int)"), "is no Strategy with an id"),
        (GOOD.replace("register(Mine)", "register(Mine())\n    register('x')"), "is no Strategy"),
        (GOOD.replace("(register):", "(registrar):"), "registrar"),
        (GOOD.replace("register(Mine)", "register(Mine); 1 / 0"), "ZeroDivisionError"),
        (GOOD.replace("def register_strategies", "def register_strategy"), "register_strategy"),
    ],
    ids=["import", "exit", "no-strategy", "text", "argument", "late-error", "unknown-hook"],
)
def test_a_broken_plugin_is_named_and_the_others_work(write_plugin, code, why):
    broken = write_plugin("broken_one", code.replace('"mine"', '"theirs"'))
    found = plugin.load([broken, write_plugin("good_two", GOOD)])
    assert list(found.strategies.items()) == ["mine"]
    assert why in found.plugins[0].broken
    assert found.plugins[1].broken is None


def test_a_broken_plugin_is_listed_with_its_reason(write_plugin, monkeypatch):
    found = plugin.load([write_plugin("broken_three", "1 / 0"), write_plugin("good_three", GOOD)])
    monkeypatch.setattr(plugin, "registry", lambda: found)
    lines = listing("plugins").splitlines()
    assert lines[1].split(maxsplit=3)[:3] == ["broken_three", "the-broken_three", "1.0"]
    assert "ZeroDivisionError" in lines[1]
    assert lines[2].endswith("works")


def test_a_plugin_leaves_directory_and_signals_as_they_were(write_plugin, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGINT)
    for number, end in enumerate(("", "1 / 0")):
        code = f"import os, signal\nos.chdir('/')\nsignal.signal(2, signal.SIG_IGN)\n{end}"
        plugin.load([write_plugin(f"moving_{number}", code)])
        assert (Path.cwd(), signal.getsignal(signal.SIGINT)) == (tmp_path, before)


def test_an_id_that_two_plugins_register_is_an_error_that_names_both(write_plugin):
    found = plugin.load([write_plugin("first_one", GOOD), write_plugin("second_one", GOOD)])
    with pytest.raises(PluginError) as caught:
        found.strategies.get("mine")
    assert "'first_one' of the-first_one 1.0 and 'second_one' of the-second_one 1.0" in str(
        caught.value
    )
    assert CHOICE in str(caught.value)


def test_three_plugins_with_one_id_are_all_named():
    table = Catalogue[str]("task")
    for name in ("a", "b", "c"):
        table.add("same", name, Plugin(name, f"package-{name}"))
    with pytest.raises(PluginError, match="'a' of package-a and 'b' of package-b and 'c'"):
        table.get("same")


def test_an_unknown_id_is_an_error_of_the_tables_kind(registry):
    with pytest.raises(CompositionError, match="Unknown strategy 'lroa': did you mean"):
        registry.strategies.get("lroa")
    with pytest.raises(ConfigError, match="Unknown launcher 'forge': did you mean 'fork'"):
        registry.launchers.get("forge")


def test_the_built_in_plugins_all_work(registry):
    assert [s.name for s in registry.plugins if s.broken] == []
    assert {"launchers", "strategies"} <= {s.name for s in registry.plugins}


def test_installed_plugins_are_found_through_their_entry_points():
    found = plugin.registry()
    assert found.strategies.entries["lora"].source.distribution.startswith("llmbench ")


def test_the_environment_chooses_plugins_by_name(monkeypatch):
    monkeypatch.setenv(CHOICE, "tasks, strategies")
    points = [point(n, f"llmbench_{n}", "llmbench") for n in ("models", "strategies", "tasks")]
    assert [p.name for p in catalogue.chosen(points)] == ["strategies", "tasks"]


def test_a_chosen_plugin_that_is_not_there_is_an_error_with_the_nearest(monkeypatch):
    monkeypatch.setenv(CHOICE, "strategy")
    points = [point("strategies", "llmbench_strategies", "llmbench")]
    with pytest.raises(PluginError, match="'strategy', which is not installed: did you mean"):
        catalogue.chosen(points)


def test_llmbenchs_own_plugins_come_first():
    points = [point("aardvark", "aardvark", "other"), point("tasks", "llmbench_tasks", "llmbench")]
    assert [p.name for p in catalogue.chosen(points)] == ["tasks", "aardvark"]


def test_a_list_shows_id_summary_and_distribution(registry):
    header, *lines = listing("metrics").splitlines()
    assert header.split() == ["ID", "SUMMARY", "PACKAGE"]
    assert [line.split()[0] for line in lines] == list(registry.metrics.items())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"unit": "words"},
            "Measure's unit cannot be 'words': give 'score', 'points', 'nats' or 'number'",
        ),
        ({"colour": "red"}, "Measure has no 'colour'"),
        ({"id": "x"}, "Measure needs 'label'"),
    ],
)
def test_what_a_plugin_declares_wrongly_is_said_by_its_field(
    given: dict[str, str], said: str
) -> None:
    whole = {"id": "x", "label": "X"} if "id" not in given else {}
    with pytest.raises(ValueError, match="validation error") as error:
        Measure.model_validate({**whole, **given})
    assert reason(error.value) == said
