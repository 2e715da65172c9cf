"""What is known of one cell once it has ended, well or badly. Bytes, seconds and raw samples."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from llmbench import units
from llmbench.machine import Environment
from llmbench.record.measure import Measure
from llmbench.record.settings import Settings
from llmbench.units import MOST, Amount, Count, Seconds, Whole

SCHEMA_VERSION = 3

Status = Literal[
    "ok", "oom", "diverged", "failed", "timeout", "killed", "interrupted", "skipped", "running"
]
"""How a cell ended. `running` is what a worker writes as it goes; nothing stored keeps it."""

Stretched = Literal["batch_size", "seq_len"]
"""What a cell of the frontier makes as large as its budget allows."""

Save = Literal["no", "adapter", "merged"]
"""What `--save` asks to be kept of a cell."""

Phase = Literal["load", "prepare", "train", "evaluate", "save"]
PHASES: tuple[Phase, ...] = ("load", "prepare", "train", "evaluate", "save")


def _usable(scores: Any) -> Any:
    if not isinstance(scores, dict):
        return scores
    return {
        name: value
        for name, value in scores.items()
        if value is not None and not (isinstance(value, float | int) and not abs(value) <= MOST)
    }


Scores = Annotated[dict[str, float], BeforeValidator(_usable)]
"""Scores by name. One that is not a number, or beyond all measure, says nothing and is left out."""


class Frozen(BaseModel):
    """Base of everything in a record: unchangeable, and strict about what it holds.

    A number that is none cannot stand in it: JSON has no way to write one.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", allow_inf_nan=False)


class Member(Frozen):
    """A strategy of a composition, with all its options, and the distribution that ships it."""

    id: str
    options: dict[str, Any]
    distribution: str
    group: str = ""
    """What it decides; a composition has one member of each group."""
    also_claims: tuple[str, ...] = ()
    """What it decides besides."""
    bundle: tuple[str, ...] = ()
    """What it joins, where it is more than one thing."""
    brings: tuple[str, ...] = ()
    """What it has of its own in place of the harness's: `optimizer`, `loss` and the like, see
    `llmbench.plugin.strategy.BRINGS`."""
    code: str = ""
    """A digest of its source: a plugin that is edited is another one, whatever its version."""
    starts_elsewhere: str = ""
    """Why it does not start from the base model's loss, in a sentence, if it says so."""
    objective: str = ""
    """What it trains on, in words, where that is not the cross entropy of the supervised tokens."""


class ModelRef(Frozen):
    """Which model: its name, which weights, and the commit where it came from a hub."""

    id: str
    weights: Literal["pretrained", "random", "scratch"]
    """Those of its files; random ones, whose quality means nothing; or random ones that are trained
    to be a model, and differ with the seed."""
    revision: str | None = None
    digest: str | None = None
    """Of what its folder holds, where no commit tells; see `llmbench.source.digest`."""
    remote_code: bool = False
    """Whether the user allowed code to run that came with it."""
    pickles: bool = False
    """Whether the user allowed weights that are pickles."""

    @property
    def start(self) -> str:
        """What to say of its weights behind its name; nothing of those of its files."""
        return {"random": " with random weights", "scratch": " from scratch"}.get(self.weights, "")


class DataRef(Frozen):
    """Which data: their name, how many examples, and the SHA-256 of their content."""

    name: str
    examples: Count
    sha256: str


class DataRefs(NamedTuple):
    """What a cell is fed: what it trains on, and what it is judged on."""

    train: DataRef
    evaluate: DataRef
    validation: DataRef | None = None


class Budget(Frozen):
    """How much memory a cell of the frontier may need, and what is stretched to need it."""

    bytes: Annotated[Count, Field(gt=0)]
    stretched: Stretched = "batch_size"

    @property
    def name(self) -> str:
        """`fit 16GiB`, or `fit 16GiB seq-len` where sequences are stretched."""
        stretched = " seq-len" if self.stretched == "seq_len" else ""
        return f"fit {units.exact_size(self.bytes)}{stretched}"


class Cell(Frozen):
    """One composition on one model, one task and one seed. The id is made from the content."""

    id: str
    composition: str
    members: tuple[Member, ...]
    trains: bool
    model: ModelRef
    task: str
    train_data: DataRef
    eval_data: DataRef
    metrics: tuple[str, ...]
    seed: Count
    settings: Settings
    """What is in force for this cell, the strategies' changes included."""
    declared: dict[str, Any] = {}
    """The settings that its strategies changed, with their values here."""
    shared: dict[str, Any] | None = None
    """The same settings as they were asked for, for all cells; None where that is not known."""
    code: dict[str, str] = {}
    """What else decides what the task and the metrics do: the package that each comes from, and
    digests of the task's prompt and of a metric's own script."""
    fit: Budget | None = None
    """For a cell of the frontier: what it may need, and which size it stretches to need it.
    Such a cell measures speed and memory alone, and is never mixed with those of equal batches."""
    validation_data: DataRef | None = None
    """What validation losses are taken on: neither trained on nor evaluated."""
    arithmetic: str = ""
    """The composition without what changes memory or kernels alone: cells of one arithmetic share
    a learning rate."""
    rate: Literal["tuned", "model", "given", "default"] | None = None
    """Where the learning rate comes from: a search, the model's plugin, the user, or the
    strategy's own default."""
    tuning: bool = False
    """Whether it only tries a learning rate. Such a cell is judged by its validation loss, and is
    never mixed with those that are reported."""

    repeat: Count = 0
    """For a cell that was run before in the same comparison: how often. It shows by how much a cell
    differs from itself in speed, and is never mixed with those that are reported."""
    pilot: bool = False
    """Whether it only shows how long cells take, before a time budget is planned: it trains a few
    steps and evaluates a few examples, and is no result."""

    @property
    def name(self) -> str:
        """The composition, and what it is to fit into, or which learning rate it tries."""
        if self.tuning:
            return f"{self.composition}, learning rate {self.settings.learning_rate:.2g}"
        if self.repeat:
            return f"{self.composition}, once more"
        if self.pilot:
            return f"{self.composition}, to see how long it takes"
        return f"{self.composition}, {self.fit.name}" if self.fit else self.composition


class MemoryParts(Frozen):
    """What a peak is made of, in bytes: what was held at the moment of the peak."""

    weights_bytes: Count
    """The base model's weights and buffers, quantisation states included."""
    adapter_bytes: Count = 0
    """Weights that the strategies added."""
    gradients_bytes: Count = 0
    """Gradients of the trained weights, as far as they were there by then."""
    optimizer_bytes: Count = 0
    """The optimiser's states, as far as they lie on the device."""
    activations_bytes: Count = 0
    """Activations, the loss and its gradient, work space, and the rest."""

    @property
    def total_bytes(self) -> int:
        """The peak itself."""
        return sum(getattr(self, name) for name in type(self).model_fields)


class Memory(Frozen):
    """Peaks of one phase, in bytes. What cannot be measured on the device is None."""

    allocated_bytes: Count | None = None
    """CUDA: the most that tensors held, from torch's allocator, with what recorded training steps
    keep, which it counts as free."""
    reserved_bytes: Count | None = None
    """CUDA: the most that torch's allocator held."""
    process_bytes: Count | None = None
    """CUDA: the most that the process held on the device, from NVML, sampled."""
    host_growth_bytes: Count | None = None
    """The most by which the process's resident private memory grew over the cell's start."""
    parts: MemoryParts | None = None
    """What the peak of allocated bytes was made of; for the train phase on CUDA."""
    outside_bytes: Count | None = None
    """CUDA: what the process held at its most beyond torch's allocator, from NVML: the context,
    and memory that libraries take by themselves."""
    paged_bytes: Count | None = None
    """Optimiser states in managed memory, which the allocator does not count."""


class Conditions(Frozen):
    """What the GPU was like over a phase, from NVML, sampled. Each None where NVML cannot tell."""

    samples: Count
    clock_mhz: tuple[Count, Count, Count] | None = None
    """Clock of the multiprocessors: lowest, median, highest."""
    clock_limit_mhz: Count | None = None
    """The highest clock that the GPU may take."""
    temperature_celsius: Whole | None = None
    """The highest."""
    power_watts: Amount | None = None
    """The mean."""
    throttle_reasons: tuple[str, ...] = ()
    """Why the clock was held down, as NVML names it; idling is none."""
    other_processes: Count = 0
    """The most processes beside this one that held memory on the GPU."""


class PhaseRecord(Frozen):
    """One phase: how long, how much memory, and what further probes found."""

    seconds: Seconds
    memory: Memory
    probes: dict[str, dict[str, Whole | Amount | None]] = {}
    conditions: Conditions | None = None


class Step(Frozen):
    """One optimiser step. Seconds are synchronised with the device; loss is the mean per token."""

    seconds: Annotated[Seconds, Field(ge=1e-9)]
    """Speeds are divided by it: no clock tells less than a nanosecond from nothing."""
    loss: Amount | None
    """None for a loss that is not a number; the cell has then diverged."""
    learning_rate: Amount
    """That of the optimiser's first group of parameters; a strategy may give others their own."""
    supervised_tokens: Count
    nonpadding_tokens: Count
    padded_tokens: Annotated[Count, Field(gt=0)]
    compile_seconds: Seconds = 0.0
    """Of its seconds, those in which code was compiled or steps were recorded; such a step counts
    for no speed."""


class Compiled(Frozen):
    """What was compiled, by torch's own count, and recorded in a cell that did so."""

    seconds: Seconds
    """What it took, within training steps and before them."""
    graphs: Count
    breaks: Count
    """Places where a graph had to end, and go on after what could not be compiled."""
    recordings: Count = 0
    """Shapes of micro-batches whose steps were recorded as CUDA graphs."""


class Validation(Frozen):
    """The loss on the validation data, taken while no clock runs."""

    step: Count
    """Optimiser steps before it; 0 is before anything is learnt."""
    train_seconds: Seconds
    """Synchronised seconds of those steps."""
    tokens: Count
    """Non-padding tokens of those steps."""
    loss: Amount | None
    """Mean cross entropy per supervised token; None for one that is not a number."""


class Start(Frozen):
    """The loss before anything is learnt, in nats per supervised token. None where it is no number,
    or was not taken.
    """

    loaded: Amount | None = None
    """On the first micro-batch, of the model as loaded: quantised, and not yet adapted."""
    training: Amount | None = None
    """On the same, made ready, in training mode with dropout off."""
    step: Amount | None = None
    """Over all micro-batches of the first step, likewise."""
    dropout: bool = False
    """Whether there was dropout to switch off; the first step's own loss then differs from that."""


class Moved(Frozen):
    """What one step did to a sample of the trained weights."""

    step: Count
    """Which step, counted from 1."""
    share: Annotated[float, Field(ge=0, le=1)]
    """Of the sampled weights, those that are not the same bits after the step."""
    meant: Annotated[float, Field(ge=0, le=1)] | None = None
    """Those that the optimiser meant to change; None where it does not show."""


class Parameters(Frozen):
    """Elements, a packed 4-bit weight counted as the elements that it holds."""

    trainable: Count
    total: Count
    packed: Count | None = None
    """Those of weights that are quantised; None where nobody counted."""
    adapted: Count | None = None
    """Those of weights that have an adapter beside them, likewise."""


class Example(Frozen):
    """One evaluated example."""

    id: str
    references: tuple[str, ...]
    prediction: str
    new_tokens: Count
    scores: Scores = {}
    loss: Amount | None = None
    """Mean cross entropy per token of its first reference, in nats; None where nobody took it."""


def _distinct(examples: tuple[Example, ...]) -> tuple[Example, ...]:
    if len({e.id for e in examples}) < len(examples):
        raise ValueError("two examples have the same id")
    return examples


Examples = Annotated[tuple[Example, ...], AfterValidator(_distinct)]
"""Evaluated examples; cells are held against each other by their ids."""


class GenerationBatch(Frozen):
    """One batch of predictions, decoded greedily; seconds are synchronised with the device."""

    seconds: Seconds
    new_tokens: Count
    """Up to the end of each text."""
    decoded_tokens: Count | None = None
    """Those that were made, with what came after a text's end: a batch goes on until its longest
    text has ended. None where that is not known."""


def decoded(batch: GenerationBatch) -> int:
    """The tokens that the batch's time was for, as far as is known."""
    return batch.new_tokens if batch.decoded_tokens is None else batch.decoded_tokens


class Generation(Frozen):
    """How fast the evaluation generated."""

    batches: tuple[GenerationBatch, ...]

    @property
    def seconds(self) -> float:
        """All batches together."""
        return sum(b.seconds for b in self.batches)

    @property
    def new_tokens(self) -> int:
        """All batches together."""
        return sum(b.new_tokens for b in self.batches)

    @property
    def decoded_tokens(self) -> int:
        """All batches together; the new tokens where no more is known."""
        return sum(map(decoded, self.batches))


class Fit(Frozen):
    """What a cell of the frontier found to be the largest size within its budget."""

    size: Count
    """Sequences per micro-batch, or tokens per sequence: what the cell stretched."""
    tried: tuple[tuple[Count, Annotated[Whole, Field(ge=-1)]], ...]
    """Every size that was tried, and the peak bytes that it needed; -1 where memory ran out."""


class Shortage(Frozen):
    """What there was of memory when it ran out, in bytes. What nobody could tell is None."""

    where: Literal["cuda", "host"]
    asked_bytes: Count | None = None
    """What was asked for and could not be had."""
    free_bytes: Count | None = None
    """What this process could still have had."""
    total_bytes: Count | None = None
    """All that this process might have had: the device's, or a limit that is lower."""
    instead: str | None = None
    """A composition of the same plan that is predicted to fit."""


class Attempt(Frozen):
    """How an earlier attempt at a cell ended; its own record and log stand beside the latest."""

    attempt: Annotated[Count, Field(ge=1)]
    status: Status
    phase: Phase | None = None
    reason: str | None = None


class Saved(Frozen):
    """What `--save` kept of a cell."""

    form: Literal["adapter", "merged", "whole"]
    loss: Amount | None = None
    """Where an adapter was merged: on the first training batch, before that."""
    merged_loss: Amount | None = None
    """The same behind it: weights in few bits round what is added to them."""


class Rank(Frozen):
    """One process of a cell on several GPUs."""

    peaks: dict[Phase, Memory] = {}
    """Its peaks of memory. A phase that the first rank went through alone is not there."""


class Record(Frozen):
    """All that is known of one attempt at a cell."""

    schema_version: int = SCHEMA_VERSION
    cell: Cell
    attempt: Annotated[Count, Field(ge=1)] = 1
    earlier: tuple[Attempt, ...] = ()
    """The attempts before this one, the first one first."""
    status: Status
    phase: Phase | None = None
    """Where it ended, if not well."""
    reason: str | None = None
    traceback: str | None = None
    shortage: Shortage | None = None
    """For a cell that ran out of memory."""
    warnings: tuple[str, ...] = ()
    started_at: str | None = None
    """UTC, ISO 8601."""
    start_seconds: Seconds | None = None
    """From the launcher's call until the worker's first line of work."""
    seconds: Seconds | None = None
    environment: Environment | None = None
    phases: dict[Phase, PhaseRecord] = {}
    """Of several ranks: the times of the first, and the memory of the one that needed most."""
    backend: str | None = None
    """What passes between ranks, as torch names it: `nccl`, `gloo`; None where there is one."""
    ranks: tuple[Rank, ...] = ()
    """Every process of a cell on several GPUs, in the order of their ranks."""
    parameters: Parameters | None = None
    quantized: bool = False
    """Whether the base model's weights were quantised."""
    first_loss: Amount | None = None
    """Loss on the first training batch, before anything is learnt, dropout off."""
    start: Start | None = None
    """The same taken in other ways, which must all agree; None where nobody took them."""
    steps: tuple[Step, ...] = ()
    validation: tuple[Validation, ...] = ()
    """In the order of their steps, the first before anything is learnt."""
    moved: Moved | None = None
    """What an untimed step did to the trained weights."""
    attention_kernels: tuple[str, ...] = ()
    """Attention kernels that ran in a training step, as torch's dispatcher saw them."""
    optimizer: str | None = None
    """The class of the optimiser that ran."""
    effective: dict[str, str] = {}
    """What was in force as the worker saw it, whatever was asked for: types, kernels, padding."""
    compiled: Compiled | None = None
    """Of training; None where nothing was compiled."""
    predicted: MemoryParts | None = None
    """The train phase's peak as it was predicted from shapes alone before the cell ran."""
    fit: Fit | None = None
    eval_loss: Amount | None = None
    evaluated_in: str | None = None
    """The cell whose evaluation this is: one of the same untrained model, with another seed."""
    generation: Generation | None = None
    examples: Examples = ()
    corpus_scores: Scores = {}
    measures: tuple[Measure, ...] = ()
    """What the scores mean, by the metrics' word, in the order of `--metrics`. The first that has a
    direction and sees the texts stands for quality."""
    saved: Saved | None = None
    """What was kept, in `models/` of the comparison's directory; None where nothing was."""
    artifact_bytes: Count | None = None
