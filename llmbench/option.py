"""The options of `llmbench compare`, made from the fields of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click
from pydantic.fields import FieldInfo

from llmbench.config import OPTIONS, SETTINGS

F = TypeVar("F", bound=Callable[..., Any])

GROUPS = {
    "What to compare": ("strategies", "model", "weights", "revision"),
    "Data and quality": (
        "task",
        "data",
        "eval_data",
        "input_field",
        "target_field",
        "metrics",
        "eval_examples",
        "eval_batch_size",
        "max_new_tokens",
    ),
    "Training, the same for all": (
        "steps",
        "batch_size",
        "accumulation",
        "seq_len",
        "learning_rate",
        "schedule",
        "lr_warmup_ratio",
        "optimizer",
        "weight_decay",
        "max_grad_norm",
        "precision",
        "seed",
        "burn_in_steps",
    ),
    "Running": ("device", "launcher", "output"),
}
"""Heading in the help to the options under it; every field of the configuration is in one."""


class GroupedCommand(click.Command):
    """A command whose help lists its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups in order, and what is in none of them last."""
        records = {p.name: p.get_help_record(ctx) for p in self.get_params(ctx)}
        groups = {**GROUPS, "Other": [n for n in records if n not in sum(GROUPS.values(), ())]}
        for heading, names in groups.items():
            rows = [r for n in names if (r := records.get(n))]
            with formatter.section(heading):
                formatter.write_dl(rows)


def configuration_options(command: F) -> F:
    """Add an option for every field of the configuration."""
    for name, field in reversed({**OPTIONS, **SETTINGS}.items()):
        command = _option(name, field)(command)
    return command


def _option(name: str, field: FieldInfo) -> Callable[[F], F]:
    choices = [c for c in get_args(field.annotation) if isinstance(c, str)]
    kind: Any = field.annotation if field.annotation in (int, float) else str
    # Bounds are the configuration's to check: it knows where each value came from.
    return click.option(
        f"--{name.replace('_', '-')}",
        name,
        type=click.Choice(choices) if choices else kind,
        metavar=None if choices or kind is not str else "TEXT",
        help=f"{field.description}{_default(field)}",
    )


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None:
        return ""
    shown = ",".join(value) if isinstance(value, tuple) else f"{value}"
    return f"  [default: {shown}]"
