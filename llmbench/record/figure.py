"""The figures of a cell, derived from the raw samples of its record."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Literal

from llmbench.record.measure import Measure, undeclared
from llmbench.record.record import Phase, Record, Step
from llmbench.units import percent


@dataclass(frozen=True)
class Figure:
    """One figure: what it is called, what it means, and which direction is better."""

    id: str
    label: str
    unit: Literal[
        "score", "points", "number", "bytes", "tokens/s", "count", "whole", "seconds", "nats"
    ]
    better: Literal["higher", "lower", "neither"]
    of: Callable[[Record], float | None]
    meaning: str
    ends: tuple[float, float] = (0.0, math.inf)
    """The least and the most that it can be; an interval may reach beyond what can be."""
    margin: float | None = None
    """Of a metric's score: differences smaller than this matter to nobody."""
    blind: str | None = None
    """Of a metric's score: the score that tells which share of the texts it cannot see."""
    lead: bool = False
    """Of a metric's score: whether it is the first of its metric, to be shown from the start."""

    @property
    def scored(self) -> bool:
        """Whether a metric gives it, so that it speaks of quality."""
        return self.margin is not None

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self.better == "lower" else 1


MOST_BLIND = 0.05
"""The share of characters that a metric may not see and still stand for quality."""


@cache
def score(name: str) -> Callable[[Record], float | None]:
    """The figure of the whole set by that name, or the mean of the examples'."""

    def of(record: Record) -> float | None:
        if name in record.corpus_scores:
            return record.corpus_scores[name]
        values = [e.scores[name] for e in record.examples if name in e.scores]
        return fmean(values) if values else None

    return of


def of_measure(measure: Measure, unseen: float = 0.0, lead: bool = True) -> Figure:
    """The figure of a metric's score, its label with a word where texts escape the metric."""
    label = measure.label
    if unseen > MOST_BLIND:
        label = f"{label}, blind to {percent(unseen, 1)}"
    return Figure(
        id=measure.id,
        label=label,
        unit=measure.unit,
        better=measure.better,
        of=score(measure.id),
        meaning=measure.meaning,
        ends=measure.ends,
        margin=measure.margin,
        blind=measure.blind,
        lead=lead,
    )


def scores(records: Iterable[Record]) -> list[Figure]:
    """The figures that metrics gave these records, in the metrics' order; those that nobody has
    declared come last, and are better neither way.
    """
    runs = list(records)
    declared: dict[str, Measure] = {}
    for record in runs:
        for measure in record.measures:
            declared.setdefault(measure.id, measure)
    names = {n for r in runs for n in r.corpus_scores}
    names |= {n for r in runs for e in r.examples[:1] for n in e.scores}
    known = {n: m for n, m in declared.items() if n in names}
    others = {n: undeclared(n) for n in sorted(names - known.keys() - RESERVED)}
    first = {m.metric: m.id for m in reversed(known.values())}
    return [
        of_measure(m, blindness(runs, m.blind), first.get(m.metric) in (m.id, None))
        for m in (known | others).values()
    ]


def unseeing(records: Sequence[Record]) -> list[Measure]:
    """What metrics gave these records that does not see their texts, and so does not rank."""
    measures = {m.id: m for r in records for m in r.measures if m.better != "neither"}
    return [m for m in measures.values() if blindness(records, m.blind) > MOST_BLIND]


def blindness(records: Iterable[Record], name: str | None) -> float:
    """The largest share of characters that a metric did not see in any of these records."""
    if name is None:
        return 0.0
    return max((v for r in records if (v := score(name)(r)) is not None), default=0.0)


def ranking(records: Sequence[Record]) -> Figure | None:
    """The score that stands for quality: the first of the metrics', in their order, of which it is
    known which way is better, and that sees the texts. None where there is none.
    """
    for figure in scores(records):
        if figure.better != "neither" and blindness(records, figure.blind) <= MOST_BLIND:
            return figure
    return None


def peak_memory(record: Record) -> float | None:
    """Peak of the train phase: allocated on CUDA, the host's growth on a CPU."""
    phase = record.phases.get("train")
    ended_before = record.phase in ("load", "prepare", "train")  # no peak of a whole phase
    if phase is None or ended_before or not record.cell.trains:
        return None
    memory = phase.memory
    return memory.host_growth_bytes if memory.allocated_bytes is None else memory.allocated_bytes


def predicted_memory(record: Record) -> float | None:
    """Peak of the train phase as it was predicted before the cell ran: allocated, on CUDA."""
    return record.predicted.total_bytes if record.predicted and record.cell.trains else None


def peak_memory_kind(record: Record) -> str | None:
    """What `peak_memory` is on this cell's device."""
    if peak_memory(record) is None or record.environment is None:
        return None
    return "cuda-allocated" if record.environment.device == "cuda" else "host-growth"


def measured_steps(record: Record) -> Sequence[Step]:
    """The steps that count for throughput: all but the burn-in, and such as compiled code."""
    steps = record.steps[record.cell.settings.burn_in_steps :]
    return [s for s in steps if not s.compile_seconds]


def timed(record: Record) -> bool:
    """Whether its speed means anything: equal bits in every run cost time."""
    return not record.cell.settings.deterministic


@cache
def train_rate(tokens: str) -> Callable[[Record], float | None]:
    """Tokens of one kind over the synchronised seconds of the measured steps.

    None of deterministic cells, which are slow on purpose.
    """

    def of(record: Record) -> float | None:
        steps = measured_steps(record) if timed(record) else ()
        seconds = sum(s.seconds for s in steps)
        return sum(getattr(s, tokens) for s in steps) / seconds if seconds else None

    return of


def generate_rate(record: Record) -> float | None:
    """Decoded tokens over the synchronised seconds of generation; None of deterministic cells.

    Those to each text's end alone would make a cell slow whose texts end at different times.
    """
    made = record.generation if timed(record) else None
    return made.decoded_tokens / made.seconds if made and made.seconds else None


RATES = frozenset(
    {
        generate_rate,
        *map(train_rate, ("nonpadding_tokens", "supervised_tokens", "padded_tokens")),
    }
)
"""Figures that are compared as ratios: over seeds their mean is the geometric one."""


def phase_seconds(phase: Literal["load", "train", "evaluate"]) -> Callable[[Record], float | None]:
    """How long a phase took."""

    def of(record: Record) -> float | None:
        entry = record.phases.get(phase)
        return entry.seconds if entry else None

    return of


def load_seconds(record: Record) -> float | None:
    """How long loading took; None of random weights, which are made and not read."""
    return phase_seconds("load")(record) if record.cell.model.weights == "pretrained" else None


FIGURES = (
    Figure("peak_memory_bytes", "Peak memory", "bytes", "lower", peak_memory, "while training"),
    Figure(
        "train_tokens_per_second",
        "Training speed",
        "tokens/s",
        "higher",
        train_rate("nonpadding_tokens"),
        "non-padding tokens per second of synchronised step time, burn-in left out",
    ),
    Figure(
        "generate_tokens_per_second",
        "Generation speed",
        "tokens/s",
        "higher",
        generate_rate,
        "tokens decoded per second, greedy, in batches that go on until all of their texts end",
    ),
    Figure(
        "trainable_parameters",
        "Trained weights",
        "count",
        "neither",
        lambda r: r.parameters.trainable if r.parameters and r.cell.trains else None,
        "weights that are trained",
    ),
    Figure(
        "total_parameters",
        "Parameters",
        "count",
        "neither",
        lambda r: r.parameters.total if r.parameters else None,
        "all weights of the model; a packed 4-bit weight counts as the weights that it holds",
    ),
    Figure(
        "load_seconds",
        "Loading time",
        "seconds",
        "lower",
        load_seconds,
        "reading the model into memory",
    ),
    Figure(
        "train_seconds",
        "Training time",
        "seconds",
        "lower",
        phase_seconds("train"),
        "all steps, with what is measured between them",
    ),
    Figure(
        "evaluate_seconds",
        "Evaluation time",
        "seconds",
        "lower",
        phase_seconds("evaluate"),
        "writing and scoring the evaluated examples",
    ),
    Figure(
        "artifact_bytes",
        "On disk",
        "bytes",
        "lower",
        lambda r: r.artifact_bytes,
        "size of what was trained, as saved",
    ),
    Figure(
        "first_loss",
        "First loss",
        "nats",
        "neither",
        lambda r: r.first_loss,
        "on the first batch, before anything is learnt",
    ),
    Figure(
        "final_loss",
        "Final loss",
        "nats",
        "lower",
        lambda r: r.steps[-1].loss if r.steps else None,
        "of the last training step",
    ),
    Figure("eval_loss", "Eval loss", "nats", "lower", lambda r: r.eval_loss, "on the references"),
)
BY_ID = {f.id: f for f in FIGURES}

SUPERVISED = Figure(
    "supervised_tokens_per_second",
    "Supervised tokens/s",
    "tokens/s",
    "higher",
    train_rate("supervised_tokens"),
    "tokens that the loss is taken on",
)
PADDED = Figure(
    "padded_tokens_per_second",
    "Padded tokens/s",
    "tokens/s",
    "higher",
    train_rate("padded_tokens"),
    "tokens that the device computes, padding included",
)
PREDICTED = Figure(
    "predicted_peak_memory_bytes",
    "Predicted memory",
    "bytes",
    "neither",
    predicted_memory,
    "peak memory while training, predicted from shapes alone before it ran",
)
VALIDATION_LOSS = Figure(
    "validation_loss",
    "Validation loss",
    "nats",
    "lower",
    lambda r: r.validation[-1].loss if r.validation else None,
    "at the end, on examples that are neither trained on nor evaluated",
)
COMPILE = Figure(
    "compile_seconds",
    "Compile",
    "seconds",
    "lower",
    lambda r: r.compiled.seconds if r.compiled else None,
    "compiling code for training and recording its steps, which is no part of its speed",
)
LOADED_LOSS = Figure(
    "loaded_loss",
    "Loss as loaded",
    "nats",
    "neither",
    lambda r: r.start.loaded if r.start else None,
    "on the first batch, before a strategy adapts the model: what it is above the base's first "
    "loss is what quantisation costs",
)
TIME_TO_QUALITY = "time_to_quality_seconds"


def time_to_quality(times: Mapping[str, float]) -> Figure:
    """The time to quality: it depends on all cells, and `times` has those of each, by cell id."""
    return Figure(
        TIME_TO_QUALITY,
        "Time to quality",
        "seconds",
        "lower",
        lambda r: times.get(r.cell.id),
        f"of training, until the validation loss had come down by {100 * SHARE:.0f} % of "
        "the best improvement among the runs that compare",
    )


FIT_SIZE = Figure(
    "fit_size",
    "Largest that fits",
    "whole",
    "higher",
    lambda r: r.fit.size if r.fit else None,
    "sequences per micro-batch, or tokens per sequence, within the budget of --fit",
)
"""Of cells of the frontier alone."""
AFTER_PUBLIC = (SUPERVISED, PADDED, COMPILE, PREDICTED, LOADED_LOSS, VALIDATION_LOSS)
"""Columns behind the public ones."""


def _per_gpu(record: Record) -> float | None:
    speed = train_rate("nonpadding_tokens")(record)
    return speed / len(record.ranks) if speed and record.ranks else None


GPUS = Figure(
    "gpus",
    "GPUs",
    "whole",
    "neither",
    lambda r: len(r.ranks) or None,
    "processes that trained together, each on a GPU of its own; on a CPU, processes alone",
)
PER_GPU = Figure(
    "train_tokens_per_second_per_gpu",
    "Speed per GPU",
    "tokens/s",
    "higher",
    _per_gpu,
    "the training speed over the GPUs that it took",
)
SCALING = "scaling_efficiency"


def efficiency(known: Mapping[str, float]) -> Figure:
    """The efficiency of scaling: it depends on other cells, and `known` has it by cell id."""
    return Figure(
        SCALING,
        "Efficiency",
        "score",
        "higher",
        lambda r: known.get(r.cell.id),
        "the training speed over that of as many GPUs that each train the same alone",
    )


RESERVED = frozenset(
    {
        *("strategy", "model", "task", "seed", "status", "reason", "device", "cell", "attempt"),
        *(GPUS.id, PER_GPU.id, SCALING, "peak_memory_kind", TIME_TO_QUALITY),
        *("fit_budget_bytes", "fit_stretched", "fit_size"),
        *(f.id for f in (*FIGURES, *AFTER_PUBLIC)),
    }
)
"""Columns that no metric's figure may be called."""


def probed(records: Sequence[Record]) -> tuple[Figure, ...]:
    """What probes found in each phase, as figures: `power.train.energy_joules`."""
    names = dict.fromkeys(
        (probe, phase, name)
        for record in records
        for phase, entry in record.phases.items()
        for probe, values in entry.probes.items()
        for name in values
    )
    return tuple(_probed(*name) for name in names)


def _probed(probe: str, phase: Phase, name: str) -> Figure:
    def of(record: Record) -> float | None:
        entry = record.phases.get(phase)
        return entry.probes.get(probe, {}).get(name) if entry else None

    return Figure(
        id=f"{probe}.{phase}.{name}",
        label=f"{name.replace('_', ' ')} ({phase})",
        unit="number",
        better="neither",
        of=of,
        meaning=f"measured by the probe '{probe}' in the phase '{phase}'",
        ends=(-math.inf, math.inf),
    )


SHARE = 0.9
"""Of the way from the untrained model's loss to the lowest: from there on, quality is reached."""


def before(record: Record) -> float | None:
    """The validation loss before anything was learnt."""
    first = next(iter(record.validation), None)
    return first.loss if first and first.step == 0 else None


def after(record: Record) -> float | None:
    """The last validation loss, where there is one behind a step."""
    last = record.validation[-1] if record.validation else None
    return last.loss if last and last.step else None
