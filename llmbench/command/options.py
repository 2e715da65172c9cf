"""The options of `llmbench compare`, made from the fields of the configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import click
from click import Context, Parameter
from click.shell_completion import CompletionItem

from llmbench.errors import ConfigError, UserError, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from llmbench.plugin.catalogue import Registry
    from llmbench.plugin.strategy import Strategy


Function = Callable[..., Any]
Complete = Callable[[Context, Parameter, str], list[CompletionItem]]

NO_COMMAS_IN_BRACKETS = r"(?![^()]*\))"
OPEN = re.compile(r"([A-Za-z0-9][\w.-]*)\(([^()]*)$")
"""A member whose brackets are still open, and what stands in them."""


def installed() -> Registry:
    """What the plugins offer; click has no use for them until a value is completed."""
    from llmbench import plugin

    return plugin.registry()


def strategies(typed: str) -> list[CompletionItem]:
    """Strategies for the last of the compositions, those that its members leave room for."""
    inside = OPEN.search(typed)
    if inside:
        return _options(installed().strategies.get(inside[1]), typed, inside[2])
    start = _after(typed, f"[,+]{NO_COMMAS_IN_BRACKETS}")
    members = re.split(r"\+", typed[_after(typed, f",{NO_COMMAS_IN_BRACKETS}") : start])
    table = installed().strategies.items()
    chosen = [table[name] for m in members if (name := m.partition("(")[0]) in table]
    decided = frozenset[str]().union(*(_claims(strategy) for strategy in chosen))
    fitting = {n: s.summary for n, s in table.items() if not _claims(s) & decided}
    if start == 0:
        fitting["all"] = "every strategy that is not for reference only"
    return _starting(typed, start, fitting.items())


def metrics(typed: str) -> list[CompletionItem]:
    """Metrics for the last of the list."""
    known = installed().metrics.items()
    return _starting(typed, _after(typed, ","), ((n, m.summary) for n, m in known.items()))


def models(typed: str) -> list[CompletionItem]:
    """Aliases, or folders where no alias starts so."""
    aliases = [(n, m.summary) for n, m in installed().models.items().items()]
    return _starting(typed, 0, aliases) or [CompletionItem(typed, type="dir")]


def tasks(typed: str) -> list[CompletionItem]:
    """Tasks; once one's brackets are open, its options."""
    inside = OPEN.search(typed)
    if inside:
        from llmbench.plugin import named

        return _options(named.options(installed().tasks.get(inside[1])), typed, inside[2])
    return _starting(typed, 0, ((n, t.summary) for n, t in installed().tasks.items().items()))


def launchers(typed: str) -> list[CompletionItem]:
    """Launchers, and the choice among them."""
    known = {n: x.summary for n, x in installed().launchers.items().items()}
    return _starting(typed, 0, {"auto": "what suits this machine", **known}.items())


def files(typed: str) -> list[CompletionItem]:
    """Files, which the shell knows best."""
    return [CompletionItem(typed, type="file")]


def folders(typed: str) -> list[CompletionItem]:
    """Folders, likewise."""
    return [CompletionItem(typed, type="dir")]


BY_OPTION: dict[str, Callable[[str], list[CompletionItem]]] = {
    "strategies": strategies,
    "metrics": metrics,
    "model": models,
    "task": tasks,
    "launcher": launchers,
    "data": files,
    "eval_data": files,
    "output": folders,
}


def for_option(name: str) -> Complete | None:
    """What completes the option's value, as click calls it; None where nothing is known."""
    known = BY_OPTION.get(name)
    if known is None:
        return None

    def complete(context: Context, parameter: Parameter, typed: str) -> list[CompletionItem]:
        try:
            return known(typed)
        except UserError:  # nobody wants to read it in the middle of a line that they type
            return []

    return complete


def _options(declared: type[BaseModel], typed: str, within: str) -> list[CompletionItem]:
    """The options that have not been given yet; after `=`, what one may be."""
    given = {part.partition("=")[0].strip() for part in within.split(",")[:-1]}
    start = len(typed) - len(within) + _after(within, ",")
    name, equals, _ = typed[start:].partition("=")
    fields = declared.model_fields
    if not equals:
        known = {f"{n}=": f.description or "" for n, f in fields.items() if n not in given}
        return _starting(typed, start, known.items())
    flag = name in fields and fields[name].annotation is bool
    return _starting(typed, start + len(name) + 1, [("true)", ""), ("false)", "")] if flag else [])


def _claims(strategy: type[Strategy]) -> frozenset[str]:
    # Of the class: an option that has no default keeps it from being made.
    return strategy.also_claims | {strategy.group}


def _after(typed: str, separator: str) -> int:
    """Where the text behind the last separator starts."""
    return max((m.end() for m in re.finditer(separator, typed)), default=0)


def _starting(typed: str, start: int, known: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    """The names that go on from what is typed, with what stands before them."""
    before, begun = typed[:start], typed[start:]
    return [CompletionItem(before + n, help=s) for n, s in known if n.startswith(begun)]


GROUPS = {
    "What to compare": (
        *("strategies", "ablate", "model", "weights", "train_from_scratch", "revision"),
    ),
    "What to pick": ("tune", "tries", "repeat", "time_budget", "margin", "memory_budget"),
    "What to trust": ("trust_remote_code", "allow_pickles"),
    "What fits into memory": ("predict", "fit", "fit_seq_len"),
    "Data and quality": (
        "task",
        "data",
        "eval_data",
        "validation_data",
        "input_field",
        "target_field",
        "special_tokens",
        "metrics",
        "template",
        "validation_examples",
        "validations",
        "eval_examples",
        "eval_batch_size",
        "decoding",
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
        "jobs",
        "gpus",
        "output",
        "save",
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

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse what was typed; a mistake for an option that there is not, with the nearest."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            options = (o for p in self.get_params(ctx) for o in p.opts if o.startswith("--"))
            known = [o.removeprefix("--") for o in options]
            name = error.option_name
            raise ConfigError(f"There is no option '{name}': {suggested(name, known)}") from None

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
    from llmbench.config.config import OPTIONS, SETTINGS

    return [
        _option(name, field)
        for name, field in {**OPTIONS, **SETTINGS}.items()
        if fields is None or name in fields
    ]


def suggested(name: str, known: Sequence[str]) -> str:
    """The end of a sentence about an option that there is not."""
    hint = nearest(name.lstrip("-"), known)
    if hint.startswith("known are"):
        return "see --help."
    return hint.replace(" '", " '--")


def _option(name: str, field: FieldInfo) -> click.Option:
    if field.annotation in (bool, bool | None):
        # None where it is not given, so that a file or a variable can have set it.
        flag = f"--{name.replace('_', '-')}/--no-{name.replace('_', '-')}"
        return click.Option([flag, name], default=None, help=field.description)
    choices = [c for c in get_args(field.annotation) if isinstance(c, str)]
    kind: Any = field.annotation if field.annotation in (int, float) else str
    several = get_origin(field.annotation) is tuple
    # What a value may be is the configuration's to check: it knows where each came from.
    return click.Option(
        [f"--{name.replace('_', '-')}", name],
        type=kind,
        metavar=f"[{'|'.join(choices)}]" if choices else None,
        multiple=several,
        callback=_joined if several else None,
        shell_complete=for_option(name) or (_among(choices) if choices else None),
        help=f"{field.description}{_default(field)}",
    )


def _joined(context: Context, parameter: Parameter, values: Sequence[str]) -> str | None:
    """Of an option that is given several times, all values; None where it is not given."""
    return ",".join(values) if values else None


def _among(choices: Sequence[str]) -> Complete:
    def complete(context: Context, parameter: Parameter, typed: str) -> list[CompletionItem]:
        return _starting(typed, 0, ((choice, "") for choice in choices))

    return complete


def _default(field: FieldInfo) -> str:
    value = field.default
    if value in (None, ()):
        return ""
    return f"  [default: {','.join(value) if isinstance(value, tuple) else value}]"


def plugin_files(function: Function) -> Function:
    """Give a command the option; the modules are there before any other option is read."""
    return click.option(
        "--plugin",
        multiple=True,
        metavar="FILE.py",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_include,
        help="A module to load as a plugin for this run. On the command line only.",
    )(function)


def _include(context: Context, parameter: Parameter, paths: Sequence[Path]) -> None:
    if context.resilient_parsing or not paths:
        return
    from llmbench import plugin

    for path in paths:
        plugin.include(path)


def strict_plugins(function: Function) -> Function:
    """Give a command the option; it is checked before the command does anything."""
    return click.option(
        "--strict-plugins",
        is_flag=True,
        expose_value=False,
        callback=_insist,
        help="Fail where a plugin is broken, instead of leaving it out.",
    )(function)


def _insist(context: Context, parameter: Parameter, strict: bool) -> None:
    if not strict or context.resilient_parsing:
        return
    from llmbench import plugin
    from llmbench.errors import PluginError

    complaints = plugin.registry().complaints()
    if complaints:
        raise PluginError(complaints[0])
