"""What `--dry-run` shows: the plan, and where every value came from."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from llmbench import plugin
from llmbench.config import config, rate
from llmbench.config.composition import Composition, Outlook
from llmbench.config.setup import Setup
from llmbench.output.terminal.survey import survey
from llmbench.plugin.blame import blamed, sentence
from llmbench.record.settings import difference
from llmbench.run.inputs import Inputs
from llmbench.text import aligned
from llmbench.workers.launch import AUTO

REPEAT = (
    "At the end the fastest trains once more, and is not evaluated: no speeds that differ by less "
    "than it from itself are told apart (--no-repeat leaves it out)"
)


def preview(setup: Setup, inputs: Inputs) -> str:
    """The plan, the data and the configuration as text, without colour, for terminals and pipes."""
    device = f"On {setup.environment.device_name}. Nothing was run."
    return "\n".join(
        [
            aligned(("CELL", "WILL", "DECLARES"), list(cells(setup))),
            "",
            *seeds(setup),
            *tuning(setup),
            *([f"{REPEAT}.", ""] if setup.repeats else []),
            *survey(setup, inputs),
            configuration(setup),
            "",
            *launched(setup),
            device,
        ]
    )


def launched(setup: Setup) -> Iterator[str]:
    """What the launcher that was asked for shows of how it starts a cell."""
    config = setup.config
    if config.launcher == AUTO:
        return
    launcher = plugin.registry().launchers.get(config.launcher)
    with blamed("launcher", config.launcher, "preview"):
        shown = sentence(
            launcher.preview(setup.environment.device, config.settings.gpus, config.cell_timeout)
        )
    if shown:
        yield shown
        yield ""


def seeds(setup: Setup) -> Iterator[str]:
    """What several seeds cost, and what one would not tell."""
    count, steps = len(setup.config.every_seed), setup.config.settings.steps
    if count == 1:
        return
    trained = count * sum(c.trains for c in setup.compositions)
    yield (
        f"Each trains with {count} seeds: {trained} trainings, {trained * steps:,} steps, {count} "
        "times what one seed costs. One (--seeds 1) gives no verdict on methods."
    )
    yield ""


def tuning(setup: Setup) -> Iterator[str]:
    """What is searched for before these cells run, and what that costs beside them."""
    searched = rate.to_tune(setup)
    if not searched:
        return
    each, steps = setup.config.tries, setup.config.settings.steps
    tries = len(searched) * each
    trained = len(setup.config.every_seed) * sum(c.trains for c in setup.compositions)
    yield (
        f"Before that, a learning rate is found for each of {', '.join(c.id for c in searched)}: "
        f"{tries} runs or more, {each} each, with seed {rate.seed(setup)}. They train {steps} "
        f"steps and generate nothing: {tries * steps:,} steps beside the {trained * steps:,} of "
        "the runs above. --no-tune leaves them out."
    )
    yield ""


def cells(setup: Setup) -> Iterator[tuple[str, str, str]]:
    """Each cell's name, whether it will run and what for, and the settings that it declares."""
    seeds = len(setup.config.every_seed)
    often = "run" if seeds == 1 else f"run, {seeds} seeds"
    searched = {c.id for c in rate.to_tune(setup)}
    for wanted in setup.compositions:
        yield _row(setup, wanted, wanted.id, often + _added(setup, wanted), searched)
    for wanted, budget in setup.fitted:
        yield _row(setup, wanted, f"{wanted.id}, {budget.name}", "run", searched)


def _added(setup: Setup, wanted: Composition) -> str:
    return ", for --ablate" if wanted in setup.ablated else ""


def _row(
    setup: Setup, wanted: Composition, name: str, will: str, searched: Collection[str]
) -> tuple[str, str, str]:
    shared = setup.config.settings
    outlook = setup.outlook(wanted)
    rate_used = rate.of(setup, wanted, {}).value if wanted.trains else shared.learning_rate
    settings = outlook.settings.model_copy(update={"learning_rate": rate_used})
    changed = difference(shared, settings)
    if wanted.arithmetic.id in searched:
        changed["learning_rate"] = "searched for"
    changes = ", ".join(
        f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in changed.items()
    )
    return name, _will(outlook, will), changes


def _will(outlook: Outlook, otherwise: str) -> str:
    if outlook.broken:
        return f"fail: {outlook.broken}"
    return f"skipped: {outlook.skip}" if outlook.skip else otherwise


def configuration(setup: Setup) -> str:
    """Every option with its value and where that came from."""
    return aligned(("OPTION", "VALUE", "FROM"), config.rows(setup.resolved))
