"""`--strict-plugins`, which several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Function = Callable[..., Any]


def strict_plugins(function: Function) -> Function:
    """Give a command the option; it is checked before the command does anything."""
    return click.option(
        "--strict-plugins",
        is_flag=True,
        expose_value=False,
        callback=_insist,
        help="Fail where a plugin is broken, instead of leaving it out.",
    )(function)


def _insist(context: click.Context, parameter: click.Parameter, strict: bool) -> None:
    if not strict or context.resilient_parsing:
        return
    from llmbench.errors import PluginError
    from llmbench.plugin import registry
    from llmbench.plugin.table import complaints

    found = complaints(registry())
    if found:
        raise PluginError(found[0])
