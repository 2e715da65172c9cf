"""Which learning rate each composition trains with, and which are to be searched for first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import ValidationError

from llmbench.config.composition import Composition, unique
from llmbench.config.setup import Setup
from llmbench.errors import ConfigError

Origin = Literal["tuned", "model", "given", "default"]


class Rate(NamedTuple):
    """A learning rate, and where it comes from."""

    value: float
    origin: Origin


def of(setup: Setup, wanted: Composition, tuned: Mapping[str, float]) -> Rate:
    """The rate of a composition; `tuned` has those that were found, by arithmetic.

    What was searched for comes first, then what the user gave, what the model's plugin knows, and
    what the strategies declare.
    """
    name = wanted.arithmetic.id
    declared = declared_rate(setup, wanted)
    if name in tuned:
        return Rate(tuned[name], "tuned")
    if given(setup) or stated(setup, wanted):
        return Rate(declared, "given")
    if name in setup.source.learning_rates:
        return Rate(setup.source.learning_rates[name], "model")
    return Rate(declared, "default")


def declared_rate(setup: Setup, wanted: Composition) -> float:
    """The shared learning rate as the strategies adjust it."""
    return setup.outlook(wanted).settings.learning_rate


def to_tune(setup: Setup) -> list[Composition]:
    """The arithmetics whose rate is to be searched for, in the order of the compositions.

    ConfigError where that is asked for and cannot be.
    """
    config = setup.config
    if config.tune is False:
        return []
    obstacle = _obstacle(setup)
    if obstacle and config.tune:
        raise ConfigError(f"--tune {obstacle}")
    # Deterministic cells are for equal bits, and slow: they are tuned if that is asked for.
    if obstacle or (config.tune is None and (given(setup) or config.settings.deterministic)):
        return []
    trained = [c for c in setup.compositions if c.trains]
    arithmetics = unique([c.arithmetic for c in trained if not stated(setup, c)])
    known = {} if config.tune else setup.source.learning_rates
    return [c for c in arithmetics if c.id not in known]


def _obstacle(setup: Setup) -> str | None:
    """Why rates cannot be searched for, to follow `--tune`; None if they can."""
    config = setup.config
    if not config.judges:
        return (
            "needs real weights, or --train-from-scratch: random ones learn nothing else that "
            "could be compared."
        )
    if not config.settings.validation_examples and config.validation_data is None:
        return "needs examples to choose on: raise --validation-examples."
    return None


def given(setup: Setup) -> bool:
    """Whether the user gave a learning rate for all."""
    return not setup.resolved.origins["learning_rate"].startswith("default")


def stated(setup: Setup, wanted: Composition) -> bool:
    """Whether a member, or an option in brackets, gives the composition a rate of its own."""
    if any(member.sets_learning_rate for member in wanted.members):
        return True
    try:
        plain = Composition(tuple(type(member)() for member in wanted.members))
    except ValidationError:  # an option that has no default
        return False
    return declared_rate(setup, plain) != declared_rate(setup, wanted)


def seed(setup: Setup) -> int:
    """The seed that rates are searched for with: none of those that are reported."""
    return next(
        s
        for s in range(1000, 1000 + len(setup.config.every_seed) + 1)
        if s not in setup.config.every_seed
    )
