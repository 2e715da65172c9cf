"""Compositions: `lora(r=64)+4-bit+gradient-checkpointing`, read, completed and checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from pydantic import ValidationError

from llmbench import plugin
from llmbench.errors import CompositionError, ConfigError, PluginError
from llmbench.machine import Environment
from llmbench.plugin.blame import Amiss, blamed, of_kind, sentence
from llmbench.plugin.option import option_error, read_options
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import ADJUSTABLE, Settings, difference
from llmbench.text import listed

MEMBER = re.compile(r"\s*(?P<id>[A-Za-z0-9][\w.-]*)\s*(?:\((?P<options>[^()]*)\))?\s*")
GROUP_ORDER = ("quantization", "adaptation", "memory", "attention", "parallelism")


@dataclass(frozen=True)
class Outlook:
    """What is known of a composition before it runs: its settings, and why it will not run."""

    settings: Settings
    skip: str | None = None
    """Why it cannot run there, by its members' word."""
    broken: str | None = None
    """Why its members cannot even be asked."""


@dataclass(frozen=True)
class Composition:
    """Strategies that are applied together, completed with what they stand on."""

    members: tuple[Strategy, ...]

    @cached_property
    def id(self) -> str:
        """The canonical spelling: the adaptation first, options that differ from the defaults."""
        names = sorted(self.members, key=lambda m: m.group != "adaptation")
        return "+".join(label(m) for m in names)

    @cached_property
    def arithmetic(self) -> Composition:
        """The same without what changes memory or kernels alone."""
        return Composition(tuple(m for m in self.members if m.arithmetic))

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return all(m.trains for m in self.members)

    @property
    def spreads(self) -> str:
        """How it trains on several GPUs, see `Strategy.spreads`; empty where it takes one."""
        return next((m.spreads for m in self.members if m.spreads), "")

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """The settings with what the members declare to change; on one GPU, unless they spread."""
        if not self.spreads:
            settings = settings.model_copy(update={"gpus": 1})
        changed = settings
        for member in self.members:
            before = changed
            with blamed("strategy", member.id, "adjust"):
                changed = _settings(member.adjust(before, environment))
            if settings.optimizer != before.optimizer != changed.optimizer:
                raise PluginError(
                    f"'{self.id}' has two members that declare an optimiser, {before.optimizer} "
                    f"and {changed.optimizer}: leave one of them out."
                )
        unfair = difference(settings, changed).keys() - ADJUSTABLE
        if unfair:
            raise PluginError(
                f"'{self.id}' changes {', '.join(sorted(unfair))}, which all cells share; "
                f"a strategy may change {', '.join(sorted(ADJUSTABLE))}."
            )
        return changed

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """The first member's reason not to run, if any."""
        if self.spreads and settings.gpus == 1:
            return "It trains on several GPUs: say how many with --gpus."
        if self.spreads == "data" and settings.accumulation % settings.gpus:
            return (
                f"{settings.accumulation} micro-batches cannot be shared by {settings.gpus} GPUs: "
                f"make --accumulation a multiple of {settings.gpus}."
            )
        reasons = (_reason(m, settings, environment) for m in self.members)
        return next((r for r in reasons if r), None)

    def outlook(self, settings: Settings, environment: Environment) -> Outlook:
        """Both of these, also where a plugin fails at them."""
        try:
            changed = self.adjust(settings, environment)
            return Outlook(changed, self.skip(changed, environment))
        except PluginError as error:
            return Outlook(settings, broken=str(error))


def _settings(adjusted: Any) -> Settings:
    """What a plugin returned, if it is settings that can be."""
    settings: Settings = of_kind(adjusted, Settings, "settings")
    return Settings.model_validate(settings.model_dump())


def _reason(member: Strategy, settings: Settings, environment: Environment) -> str | None:
    with blamed("strategy", member.id, "skip"):
        return sentence(member.skip(settings, environment))


def claims(member: Strategy) -> frozenset[str]:
    """The groups that a member decides."""
    with blamed("strategy", member.id, "claims"):
        groups: Any = member.claims()
        if not isinstance(groups, Set) or not all(isinstance(group, str) for group in groups):
            raise Amiss(f"it returned {type(groups).__name__}, no set of words")
        return frozenset(groups)


def label(member: Strategy) -> str:
    """`lora`, or `lora(r=64)` where an option is not its default."""
    changed = member.model_dump(exclude_defaults=True)
    if not changed:
        return member.id
    return f"{member.id}({','.join(f'{k}={_spell(v)}' for k, v in changed.items())})"


def _spell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def read(text: str) -> Composition:
    """One composition from its text, completed and checked; CompositionError where it cannot be."""
    members = [_member(m["id"], m["options"]) for m in _scan(text)]
    return complete(members)


def complete(members: Sequence[Strategy]) -> Composition:
    """Add the adaptation that the members stand on; refuse two that decide the same thing."""
    for one, other in combinations(members, 2):
        if _clash(one, other):
            raise CompositionError(_refusal(one, other, members))
    for member in members:
        others = [m for m in members if m is not member]
        with blamed("strategy", member.id, "refuses"):
            reason = sentence(member.refuses(others))
        if reason:
            raise CompositionError(reason)
    chosen = list(members)
    if not any("adaptation" in claims(m) for m in members):
        chosen.append(_standing(members))
    return Composition(tuple(sorted(chosen, key=_rank)))


def unique(compositions: Sequence[Composition]) -> list[Composition]:
    """The compositions in order, each once, however it was spelt."""
    return list({c.id: c for c in compositions}.values())


def _scan(text: str) -> Iterator[re.Match[str]]:
    position = 0
    while True:
        match = MEMBER.match(text, position)
        if not match:
            raise CompositionError(
                f"'{text}' is not a composition: write ids joined with '+', options in brackets, "
                "for example 'lora(r=64)+gradient-checkpointing'."
            )
        yield match
        if match.end() == len(text):
            return
        if text[match.end()] == "(" and ")" not in text[match.end() :]:
            raise CompositionError(f"'{text}' opens a bracket and does not close it: add the ')'.")
        if text[match.end()] != "+":
            raise CompositionError(
                f"'{text}' has something unexpected at '{text[match.end() :]}': join ids with '+'."
            )
        position = match.end() + 1


def _member(asked: str, options: str | None) -> Strategy:
    strategies = plugin.registry().strategies
    name = strategies.spelled(asked)
    strategy = strategies.get(name)
    values = read_options(name, options or "", CompositionError)
    with blamed("strategy", name, "reading its options"):
        try:
            member = strategy.model_validate(values)
        except ValidationError as error:
            raise CompositionError(option_error(strategy, error)) from None
        member.model_dump(mode="json")  # a record will have to keep them
        return member


def _clash(one: Strategy, other: Strategy) -> bool:
    return bool(claims(one) & claims(other))


def _refusal(one: Strategy, other: Strategy, members: Sequence[Strategy]) -> str:
    if one.id == other.id:
        return f"'{one.id}' is named twice in one composition: name it once."
    ways = " or ".join(
        f"'{_without(out, kept, members)}'" for kept, out in ((one, other), (other, one))
    )
    both = ", ".join(sorted(claims(one) & claims(other)))
    return f"'{one.id}' and '{other.id}' cannot be joined, as both decide the {both}: write {ways}."


def _without(out: Strategy, kept: Strategy, members: Sequence[Strategy]) -> str:
    """What to write instead: the rest of the composition, or one member where the rest clashes."""
    try:
        return complete([m for m in members if m is not out]).id
    except CompositionError:
        return complete([kept]).id


def _standing(members: Sequence[Strategy]) -> Strategy:
    for member in members:
        candidate = _member(member.stands_on, None)
        if not any(_clash(candidate, m) for m in members):
            return candidate
    names = "+".join(m.id for m in members)
    known = plugin.registry().strategies.items()
    adaptations = [name for name, kind in known.items() if kind.group == "adaptation"]
    raise CompositionError(
        f"'{names}' names no adaptation and none fits: add one of {listed(adaptations)}."
    )


def _rank(member: Strategy) -> tuple[int, str]:
    group = member.group
    return GROUP_ORDER.index(group) if group in GROUP_ORDER else len(GROUP_ORDER), group


MOST_CELLS = 64
"""Cells that an ablation may add; beyond, nobody means it."""


def missing(asked: Sequence[Composition], seeds: int) -> list[Composition]:
    """The compositions to be added, each once, those of few parts first.

    For every one that is asked for: all that its modifiers can be left out to, down to the bare
    adaptation, and full fine-tuning. Raises ConfigError where, over all seeds, those are too many.
    """
    trained = [c for c in asked if c.trains]
    reference = [Composition((_member(Strategy.stands_on, None),))] if trained else []
    wanted = unique([*reference, *(reduction for c in trained for reduction in reduced(c))])
    known = {c.id for c in asked}
    added = [c for c in wanted if c.id not in known]
    if len(added) * seeds > MOST_CELLS:
        raise ConfigError(
            f"--ablate would add {len(added) * seeds} cells, and at most {MOST_CELLS} are allowed: "
            "name fewer --strategies, compositions of fewer parts, or fewer --seeds."
        )
    return sorted(added, key=lambda c: len(c.members))


def reduced(composition: Composition) -> Iterator[Composition]:
    """The composition with some of its modifiers, from none to all but one."""
    modifiers = [m for m in composition.members if "adaptation" not in claims(m)]
    for count in range(len(modifiers)):
        for kept in combinations(modifiers, count):
            left_out = [m for m in modifiers if m not in kept]
            yield Composition(tuple(m for m in composition.members if m not in left_out))
