"""The options of `llmbench compare`, made from the fields of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

import click

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

GROUPS = {
    "What to compare": ("strategies", "ablate", "model", "weights", "revision"),
    "What to pick": ("tune", "tries", "margin", "memory_budget"),
    "What to trust": ("trust_remote_code", "allow_pickles"),
    "What fits into memory": ("predict", "fit", "fit_seq_len"),
    "Data and quality": (
        "task",
        "data",
        "eval_data",
        "validation_data",
        "input_field",
        "target_field",
        "metrics",
        "template",
        "validation_examples",
        "validations",
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
        "seeds",
        "deterministic",
        "burn_in_steps",
    ),
    "Running": (
        "device",
        "launcher",
        "output",
        "retry",
        "cell_timeout",
        "on_oom",
        "wait",
        "shared_gpu",
    ),
}
"""Heading in the help to the options under it; every field of the configuration is in one."""


class ConfiguredCommand(click.Command):
    """A command with an option for every field of the configuration, under headings in its help.

    `fields` names some, for a command that has use for these alone. The options are made when
    they are first asked for: the configuration takes pydantic, and `llmbench --help` has no use
    for it.
    """

    def __init__(self, *args: Any, fields: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fields = fields

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, and one for each field of the configuration."""
        if not any(p.name == "strategies" for p in self.params):
            self.params = [*configuration_options(self._fields), *self.params]
        return super().get_params(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups in order, and what is in none of them last."""
        records = {p.name: p.get_help_record(ctx) for p in self.get_params(ctx)}
        grouped = {name for names in GROUPS.values() for name in names}
        groups = {**GROUPS, "Other": tuple(n for n in records if n and n not in grouped)}
        for heading, names in groups.items():
            rows = [r for n in names if (r := records.get(n))]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def configuration_options(fields: Sequence[str] | None = None) -> list[click.Parameter]:
    """An option for every field of the configuration, or for those that are named."""
    from llmbench.config import OPTIONS, SETTINGS

    return [
        _option(name, field)
        for name, field in {**OPTIONS, **SETTINGS}.items()
        if fields is None or name in fields
    ]


def _option(name: str, field: FieldInfo) -> click.Option:
    from llmbench.completion import for_option

    if field.annotation in (bool, bool | None):
        # None where it is not given, so that a file or a variable can have set it.
        flag = f"--{name.replace('_', '-')}/--no-{name.replace('_', '-')}"
        return click.Option([flag, name], default=None, help=field.description)
    choices = [c for c in get_args(field.annotation) if isinstance(c, str)]
    kind: Any = field.annotation if field.annotation in (int, float) else str
    # Bounds are the configuration's to check: it knows where each value came from.
    return click.Option(
        [f"--{name.replace('_', '-')}", name],
        type=click.Choice(choices) if choices else kind,
        shell_complete=for_option(name),
        help=f"{field.description}{_default(field)}",
    )


def _default(field: FieldInfo) -> str:
    value = field.default
    if value in (None, ()):
        return ""
    return f"  [default: {','.join(value) if isinstance(value, tuple) else value}]"
