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
    from llmbench import plugin
    from llmbench.errors import PluginError

    found = plugin.registry().complaints()
    if found:
        raise PluginError(found[0])
