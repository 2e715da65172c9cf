"""What cells are fed: data that are read and checked once, and kept beside the records."""

from __future__ import annotations

from dataclasses import dataclass

from llmbench.errors import DataError
from llmbench.fetch import dataset
from llmbench.fetch.dataset import Data
from llmbench.record import DataRef
from llmbench.setup import Setup
from llmbench.store import Store, write_text

RANDOM_TOKENS = "random tokens"
"""What is trained on where the weights are random and no data are given."""


@dataclass(frozen=True)
class Inputs:
    """What the cells are fed; None where they make random tokens themselves."""

    train: Data | None
    evaluate: Data | None
    refs: tuple[DataRef, DataRef]


def read(setup: Setup) -> Inputs:
    """Read and check the data, and choose the examples that the cells get."""
    config, settings = setup.config, setup.config.settings
    needed = settings.steps * settings.batch_size * settings.accumulation
    if not setup.has_text:
        ref = DataRef(name=RANDOM_TOKENS, examples=needed, sha256="")
        return Inputs(None, None, (ref, ref.model_copy(update={"examples": 0})))
    task = setup.registry.tasks.get(config.task)
    fields = (config.input_field, config.target_field)
    trains_on, evaluates_on = config.data or task.train_file, config.eval_data
    if evaluates_on is None and config.data is None:
        evaluates_on = str(task.eval_file) if task.eval_file else None
    if trains_on is None:
        raise DataError(f"'{task.id}' has no data of its own to train on: give --data.")
    train = dataset.sample(dataset.read(trains_on, task, *fields), needed)
    if evaluates_on is None:
        raise DataError("Evaluation needs data that are not trained on: give --eval-data.")
    held_out = dataset.read(evaluates_on, task, *fields)
    held_out = dataset.sample(held_out, settings.eval_examples)
    return Inputs(train, held_out, (train.ref, held_out.ref))


def write(inputs: Inputs, store: Store) -> None:
    """Keep what the cells are fed beside their records."""
    for name, data in (("train", inputs.train), ("eval", inputs.evaluate)):
        if data:
            write_text(store.data / f"{name}.jsonl", dataset.lines(data.examples))


def overlap(inputs: Inputs) -> tuple[str, ...]:
    """A notice if examples are evaluated that were trained on."""
    if inputs.train is None or inputs.evaluate is None:
        return ()
    seen = {e.input for e in inputs.train.examples}
    both = sum(e.input in seen for e in inputs.evaluate.examples)
    if not both:
        return ()
    return (
        f"{both} of {len(inputs.evaluate.examples)} evaluated examples are in the training data: "
        "their scores say what was memorised, not what was learnt.",
    )
