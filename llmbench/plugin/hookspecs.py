"""Every hook, on one screen. A plugin implements those it needs and leaves the rest.

    from llmbench import hookimpl

    @hookimpl
    def register_strategies(register):
        register(MyStrategy)

The package names itself under the entry point group `llmbench`. All hooks run in the parent and
again in every worker, so a module that holds them must import in an instant: torch and its kin
belong inside the methods that the worker calls.

A module may say which version of the hooks it was written for: `LLMBENCH_HOOKS = 1`. It is left
out, with a sentence, where this llmbench has another.
"""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from llmbench.plugin.command import Command
from llmbench.plugin.exporter import Exporter
from llmbench.plugin.launcher import Launcher
from llmbench.plugin.listener import Listener
from llmbench.plugin.metric import Metric
from llmbench.plugin.model import Model
from llmbench.plugin.probe import Probe
from llmbench.plugin.section import Section
from llmbench.plugin.strategy import Strategy
from llmbench.plugin.task import Task

hookspec = pluggy.HookspecMarker("llmbench")

VERSION = 1
"""Of the hooks and the base classes. Methods and arguments are added without a new one, since
plugins name those that they want; it rises where a plugin that worked would not any more."""


@hookspec
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer ways of fine-tuning: `register(Lora)`. Parent and worker."""


@hookspec
def register_models(register: Callable[[Model], None]) -> None:
    """Offer aliases for `--model`: `register(Model(id="llama-2-7b", ...))`. Parent and worker."""


@hookspec
def register_tasks(register: Callable[[Task], None]) -> None:
    """Offer tasks for `--task`: `register(Task(id="summarization", ...))`. Parent and worker."""


@hookspec
def register_metrics(register: Callable[[type[Metric]], None]) -> None:
    """Offer metrics for `--metrics`: `register(Rouge)`. Parent and worker."""


@hookspec
def register_probes(register: Callable[[type[Probe]], None]) -> None:
    """Measure something in every phase of a cell: `register(Power)`. Parent and worker."""


@hookspec
def register_launchers(register: Callable[[type[Launcher]], None]) -> None:
    """Run a cell's worker some other way, for `--launcher`: `register(Slurm)`. Parent."""


@hookspec
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Write a comparison in another format: `register(Exporter(id="csv", ...))`. Parent."""


@hookspec
def register_listeners(register: Callable[[type[Listener]], None]) -> None:
    """Hear how a comparison goes while it runs: `register(Tracker)`. Parent."""


@hookspec
def register_sections(register: Callable[[Section], None]) -> None:
    """Add a part to the report: `register(Section(id="slowest", ...))`. Parent."""


@hookspec
def register_commands(register: Callable[[Command], None]) -> None:
    """Add a command to the command line: `register(Command(id="best", ...))`. Parent."""
