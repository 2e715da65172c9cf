"""What cells are fed: data that are read and checked once, and kept beside the records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from llmbench.config.setup import Setup
from llmbench.errors import DataError
from llmbench.plugin import named
from llmbench.record.record import DataRef, DataRefs
from llmbench.source import data, leak
from llmbench.source.data import Data
from llmbench.storage.store import Store

POOL = 10
"""Each seed draws what it trains on from so many times as much, where there is more than it takes:
the luck of training is also that of its data. More would fill the output directory."""
RANDOM_TOKENS = "random tokens"
"""What is trained on where the weights are random and no data are given."""


@dataclass(frozen=True)
class Inputs:
    """What the cells are fed; None where they make random tokens themselves."""

    train: Data | None
    evaluate: Data | None
    refs: DataRefs
    validation: Data | None = None
    """What losses are taken on while training; neither trained on nor evaluated."""
    shared: int = 0
    """Evaluated examples that are in the training data, sampled or not."""


def read(setup: Setup) -> Inputs:
    """Read and check the data, and choose the examples that the cells get."""
    config, settings = setup.config, setup.config.settings
    needed = settings.train_examples
    if not setup.has_text:
        ref = DataRef(name=RANDOM_TOKENS, examples=needed, sha256="")
        return Inputs(None, None, DataRefs(ref, ref.model_copy(update={"examples": 0})))
    task = named.task(config.task)
    fields = (config.input_field, config.target_field)
    trains_on, evaluates_on = config.data or task.train_file, config.eval_data
    if evaluates_on is None and config.data is None:
        evaluates_on = str(task.eval_file) if task.eval_file else None
    if trains_on is None:
        raise DataError(f"'{task.id}' has no data of its own to train on: give --data.")
    train = data.read(trains_on, task, *fields)
    if evaluates_on is None:
        raise DataError("Evaluation needs data that are not trained on: give --eval-data.")
    evaluate = data.read(evaluates_on, task, *fields)
    train, validation = validated(setup, train, evaluate)
    if config.tune and validation is None:
        raise DataError(
            f"'{train.name}' has too few examples to hold some out for --tune: give "
            "--validation-data, or more examples."
        )
    evaluate = data.sample(evaluate, settings.eval_examples)
    shared = leak.in_both(evaluate.examples, train.examples)
    train = data.sample(train, POOL * needed)
    refs = DataRefs(train.ref, evaluate.ref, validation.ref if validation else None)
    return Inputs(train, evaluate, refs, validation, shared)


def fewer(chosen: Inputs, count: int) -> Inputs:
    """The same with so many of the evaluated examples at most."""
    if chosen.evaluate is None:
        return chosen
    evaluate = data.sample(chosen.evaluate, count)
    return replace(chosen, evaluate=evaluate, refs=chosen.refs._replace(evaluate=evaluate.ref))


def validated(setup: Setup, train: Data, evaluate: Data) -> tuple[Data, Data | None]:
    """What is left to train on, and what to validate on: what was given, or some of the former."""
    config, most = setup.config, setup.config.settings.validation_examples
    if config.validation_data is None:
        return data.hold_out(train, evaluate, most)
    task = named.task(config.task)
    wanted = data.read(config.validation_data, task, config.input_field, config.target_field)
    apart = data.without(wanted, (train, evaluate))
    if not apart.examples:
        raise DataError(
            f"Every example of '{wanted.name}' is trained on or evaluated as well: give "
            "--validation-data others, or leave it out to have some of --data held out."
        )
    return train, data.sample(apart, most) if most else None


def write(inputs: Inputs, store: Store) -> None:
    """Keep what the cells are fed beside their records."""
    sets = {"train": inputs.train, "eval": inputs.evaluate, "validation": inputs.validation}
    for name, examples_of in sets.items():
        if examples_of:
            store.write_data(name, data.lines(examples_of.examples))


def notices(inputs: Inputs) -> tuple[str, ...]:
    """What the reader should know of the data: how they were read, and what they share."""
    train, evaluate = inputs.train, inputs.evaluate
    if train is None or evaluate is None:
        return ()
    both = (
        f"{inputs.shared} of {len(evaluate.examples)} evaluated examples are in the training data: "
        "their scores say what was memorised, not what was learnt.",
    )
    return (
        *(both if inputs.shared else ()),
        *unlike(train, evaluate),
        *dict.fromkeys((*train.notices, *evaluate.notices)),
    )


def unlike(train: Data, evaluate: Data) -> Iterator[str]:
    """A notice where prompts are made in one way to train on and in another to evaluate."""
    ways = [(d.format, d.input_field, d.target_field) for d in (train, evaluate)]
    if ways[0] != ways[1]:
        said = [f"'{d.name}' from {d.input_field} to {d.target_field}" for d in (train, evaluate)]
        yield f"Trained on {said[0]}, and evaluated on {said[1]}: the prompts may differ."
