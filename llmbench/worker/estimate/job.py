"""An `EstimateJob` from its cells to the answer."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import torch

from llmbench.errors import UserError, message
from llmbench.files import write_text
from llmbench.plugin import named
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.events import Estimated, Say
from llmbench.record.record import Cell, MemoryParts
from llmbench.record.settings import Settings
from llmbench.source import data
from llmbench.worker import architecture, batch, encoding, preload, template, tokens, trial
from llmbench.worker.cell import strategies
from llmbench.worker.estimate import shards
from llmbench.worker.estimate.crew import each
from llmbench.worker.estimate.simulation import Simulation
from llmbench.workers.job import MOST_SEQUENCES, Answer, Estimate, EstimateJob


def run(job: EstimateJob, say: Say) -> None:
    """Predict every cell, and write the answer. Cells that differ in nothing are simulated once."""
    settle()
    length = lengths(job)
    alike: dict[str, list[tuple[Cell, Settings]]] = {}
    for cell in job.cells:
        settings = cell.settings.model_copy(update={"seq_len": length(cell)})
        same = settings.model_dump_json() + "".join(m.model_dump_json() for m in cell.members)
        alike.setdefault(same, []).append((cell, settings))
    groups = list(alike.values())

    def of_first(number: int) -> str:
        return estimate(job, *groups[number][0]).model_dump_json()

    estimates: dict[str, Estimate] = {}
    for number, answer in each(len(groups), job.processes, of_first):
        made = Estimate.model_validate_json(answer)
        for cell, _ in groups[number]:
            estimates[cell.id] = made
            say(Estimated(done=len(estimates), total=len(job.cells)))
    write_text(job.answer_file, Answer(cells=estimates).model_dump_json())


def settle() -> None:
    """Spare a process that computes nothing what is for those that do.

    Adapters are made with values on the host before they move: two threads for a thousand small
    tensors wait for each other most of the time. And what is imported by now is left out of
    collections, of which there are two for every peak.
    """
    torch.set_num_threads(1)
    preload.libraries()
    gc.freeze()


def estimate(job: EstimateJob, cell: Cell, settings: Settings) -> Estimate:
    """What is predicted of the cell; the reason where its code cannot run without data."""
    try:
        return predicted(job, cell, settings)
    except Exception as error:  # of a strategy's own code, or a library's: no cell fails for it
        return Estimate(reason=why(error))
    finally:
        gc.collect()


def predicted(job: EstimateJob, cell: Cell, settings: Settings) -> Estimate:
    """The peak with these settings and, within a budget, the sizes that it leaves room for.

    Of a cell on several GPUs, on each of them.
    """
    chosen = strategies(cell)
    spreading = next((s for s in chosen if s.spreads), None)
    cuts = spreading is not None and type(spreading).cut is not Strategy.cut
    simulation = Simulation(cell, chosen, job.environment, job.model_source, whole=cuts)
    if spreading and not (cuts or simulation.narrowed or replicates(spreading)):
        return Estimate(reason=f"What {spreading.id} leaves on each GPU is not predicted.")
    if architecture.paired(simulation.model.config):
        # FLAN-T5 base on an H100: 2.9 GiB predicted where full fine-tuning took 4.3.
        return Estimate(reason="The memory of encoder-decoder models is not predicted yet")
    if spreading and spreading.spreads == "data":
        settings = settings.model_copy(
            update={"accumulation": settings.accumulation // settings.gpus}
        )
    parts = peak(simulation, settings, spreading)
    estimate_made = Estimate(
        parts=parts,
        parameters=simulation.parameters,
        base_parameters=simulation.base_parameters,
        loaded_bytes=simulation.loaded_bytes,
    )
    if job.budget_bytes is None or not cell.trains or settings.gpus > 1:
        return estimate_made
    room = Headroom(simulation, settings, parts.total_bytes, job.budget_bytes)
    return estimate_made.model_copy(
        update={
            "largest_batch_size": room.largest("batch_size", 1, MOST_SEQUENCES),
            "longest_seq_len": room.largest(
                "seq_len", trial.GRAIN["seq_len"], architecture.longest(simulation.model)
            ),
        }
    )


def peak(simulation: Simulation, settings: Settings, spreading: Strategy | None) -> MemoryParts:
    """The peak of each GPU that the cell trains on."""
    cut = spreading.cut(simulation.model, settings) if spreading else None
    if cut:
        return shards.peak(simulation, settings, cut)
    parts = simulation.peak(settings)
    if spreading is None or simulation.narrowed:
        return parts
    return with_buckets(parts, simulation.parameters.trainable, settings)


def replicates(spreading: Strategy) -> bool:
    """Whether every GPU has the whole model: there is nothing to gather then."""
    return spreading.spreads == "data" and type(spreading).gather is Strategy.gather


def with_buckets(parts: MemoryParts, trainable: int, settings: Settings) -> MemoryParts:
    """The peak where all gradients are there from the start, in the buckets that are exchanged.

    As DistributedDataParallel has them with `gradient_as_bucket_view`; alone, a gradient comes into
    being in the backward pass, where activations go.
    """
    size = torch.finfo(getattr(torch, settings.numerics.trained)).bits // 8
    gradients_bytes = max(parts.gradients_bytes, trainable * size)
    return parts.model_copy(update={"gradients_bytes": gradients_bytes})


@dataclass(frozen=True)
class Headroom:
    """How far one size can be raised within the budget while the other is fixed."""

    simulation: Simulation
    settings: Settings
    peak_bytes: int
    """The peak with the settings as they are."""
    budget_bytes: int

    def largest(self, name: str, grain: int, most: int) -> int:
        """The largest multiple of the grain, of at most `most`, that stays within the budget."""

        def peak_of(count: int) -> int:
            tried = self.settings.model_copy(update={name: count * grain})
            return self.simulation.peak(tried).total_bytes

        now, rest = divmod(getattr(self.settings, name), grain)
        known = {0: self.simulation.floor_bytes}
        if not rest:
            known[now] = self.peak_bytes
        return grain * largest(peak_of, self.budget_bytes, most // grain, known)


def why(error: Exception) -> str:
    """The error in a line; a sentence that was written for users is kept."""
    text = (message(error).strip() or type(error).__name__).splitlines()[0]
    written = isinstance(error, UserError | CannotRun)
    if written:
        return text
    return f"It does not run on tensors without values ({type(error).__name__}: {text})."


def lengths(job: EstimateJob) -> Callable[[Cell], int]:
    """A function that gives the tokens of a cell's longest sequence."""
    if job.tokenizer_source is None or job.train_file is None:
        return lambda cell: cell.settings.seq_len
    first = job.cells[0]  # all share model, task and data
    config = architecture.config_of(job.model_source, first.model)
    tokenizer = tokens.load_tokenizer(job.tokenizer_source, first.model)
    tokens.fit(tokenizer, config, first.model.id)
    task = named.task(first.task)
    asked = first.settings
    paired = architecture.paired(config)
    written = template.choose(
        tokenizer,
        asked.template,
        first.model.id,
        asked.special_tokens,
        paired,
        task.running_text,
    )
    encoder = encoding.Encoder(tokenizer, task, written, first.settings.seq_len)
    pool = data.load_lines(job.train_file)

    @cache
    def longest(seed: int) -> int:
        wanted = data.drawn(pool, asked.train_examples, seed)
        sequences = [s for e in wanted for s in encoder.sequences(encoder.bare(e))]
        steps = batch.steps(sequences, first.settings, seed, pad=0)
        return max(b.input_ids.shape[1] for step in steps for b in step)

    return lambda cell: longest(cell.seed)


PATIENCE = 3
"""Every so many trials the middle is tried, whatever the line through the neighbours says."""


def largest(peak_of: Callable[[int], int], budget: int, most: int, known: Mapping[int, int]) -> int:
    """The largest size of 1 to `most` whose peak is within the budget; 0 if that of 1 is not.

    Peaks grow with the size, nearly along a line. The line through the nearest known sizes says
    where to try next, and it ends only when a size is within the budget and the next one is not,
    both tried. `known` holds peaks of sizes that were tried before, and for 0 what there is at
    least: where that is beyond the budget, nothing has to be tried.
    """
    tried = dict(known)
    trials = 0
    while tried[0] <= budget:
        fitting = max(n for n, peak in tried.items() if peak <= budget)
        beyond = min((n for n in tried if n > fitting), default=most + 1)
        if beyond - fitting <= 1:
            return fitting
        trials += 1
        middle = (fitting + beyond) // 2
        guess = middle if trials % PATIENCE == 0 else on_line(tried, fitting, beyond, budget)
        size = min(max(guess, fitting + 1), beyond - 1)
        tried[size] = peak_of(size)
    return 0


def on_line(tried: Mapping[int, int], fitting: int, beyond: int, budget: int) -> int:
    """The size at which a line through two tried sizes meets the budget."""
    above = min((n for n in tried if n >= beyond), default=None)
    below = max((n for n in tried if n < fitting), default=None)
    other = below if above is None else above
    if other is None:
        return 2 * fitting
    slope = (tried[other] - tried[fitting]) / (other - fitting)
    if slope <= 0:  # what is held elsewhere in the step hides the growth
        return 2 * fitting
    return int(fitting + (budget - tried[fitting]) / slope)
