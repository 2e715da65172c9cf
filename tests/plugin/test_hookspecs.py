"""Walks the list of hooks: each is documented, takes part in loading, and is used by a plugin here.

A hook that is added without a docstring, without a table to fill, or without a plugin in
`EXAMPLES` that exercises it, fails here.
"""

from __future__ import annotations

import inspect
import sys
from importlib.metadata import EntryPoint

import click
import pluggy
import pytest

from llmbench import hookimpl, plugin
from llmbench.plugin import catalogue, hookspecs, shape
from llmbench.plugin.command import Command
from llmbench.plugin.exporter import Exporter
from llmbench.plugin.launcher import Launcher
from llmbench.plugin.listener import Listener
from llmbench.plugin.metric import Metric, Score
from llmbench.plugin.model import Model
from llmbench.plugin.probe import Probe
from llmbench.plugin.section import Section
from llmbench.plugin.strategy import Strategy
from llmbench.plugin.task import Task

HOOKS = {
    name: function
    for name, function in vars(hookspecs).items()
    if inspect.isfunction(function) and hasattr(function, "llmbench_spec")
}


class SomeStrategy(Strategy):
    id, summary, group = "some-strategy", "", "adaptation"


class SomeMetric(Metric):
    id, summary = "some-metric", ""

    def score(self, predictions, references):
        return Score()


class SomeProbe(Probe):
    id, summary = "some-probe", ""

    def enter(self, phase):
        pass

    def leave(self, phase):
        return {}


class SomeLauncher(Launcher):
    id, summary = "some-launcher", ""

    def run(self, job, log, on_event):
        return 0

    def interrupt(self):
        pass

    def close(self):
        pass


class SomeListener(Listener):
    id, summary = "some-listener", ""


EXAMPLES = {
    "register_listeners": SomeListener,
    "register_sections": Section("some-section", "", "Some", lambda comparison: None),
    "register_commands": Command("some-command", "", click.Command("some-command")),
    "register_strategies": SomeStrategy,
    "register_models": Model("some-model", ""),
    "register_tasks": Task("some-task", "", "{input}"),
    "register_metrics": SomeMetric,
    "register_probes": SomeProbe,
    "register_launchers": SomeLauncher,
    "register_exporters": Exporter("some-format", "", "some.txt", lambda comparison: ""),
}


def load_one(hook: str, item: object) -> plugin.Registry:
    """The registry after loading a plugin that implements one hook with one item."""

    def implementation(register):
        register(item)

    implementation.__name__ = hook
    module = type(sys)("one_hook_plugin")
    setattr(module, hook, hookimpl(implementation))
    sys.modules[module.__name__] = module
    try:
        return plugin.load([EntryPoint("one", module.__name__, catalogue.GROUP)])
    finally:
        del sys.modules[module.__name__]


def test_hooks_are_found():
    manager = pluggy.PluginManager("llmbench")
    manager.add_hookspecs(hookspecs)
    assert set(HOOKS) == set(vars(manager.hook)) - {"_"} != set()


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_a_hook_is_documented_with_an_example_and_where_it_runs(hook):
    text = inspect.getdoc(HOOKS[hook]) or ""
    assert "register(" in text
    assert text.endswith(("Parent.", "Worker.", "Parent and worker."))


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_a_hook_says_in_types_what_it_is_given(hook):
    annotations = inspect.get_annotations(HOOKS[hook])
    assert annotations.keys() == {"register", "return"}


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_what_a_plugin_registers_through_a_hook_is_found_under_its_id(hook):
    item = EXAMPLES[hook]
    found = load_one(hook, item)
    assert found.plugins[0].broken is None
    assert found.catalogues()[hook].get(item.id) is item


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_a_hook_refuses_what_is_not_of_its_kind(hook):
    other = EXAMPLES["register_tasks" if hook == "register_models" else "register_models"]
    found = load_one(hook, other)
    assert f"no {shape.KINDS[hook].__name__} with an id" in found.plugins[0].broken
    assert not found.catalogues()[hook].items()


def test_every_hook_has_an_example_here():
    assert EXAMPLES.keys() == HOOKS.keys()
