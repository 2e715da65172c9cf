"""What `--dry-run` shows: the plan, and where every value came from."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from llmbench import plugin
from llmbench.analysis import race
from llmbench.config import config, rate
from llmbench.config.composition import Composition, Outlook
from llmbench.config.setup import Setup
from llmbench.output.terminal.survey import survey
from llmbench.plugin.blame import blamed, sentence
from llmbench.record.settings import difference
from llmbench.run import budget
from llmbench.run.inputs import Inputs
from llmbench.text import aligned, listed, plural
from llmbench.units import spoken_duration
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
            *(within(setup) if setup.config.time_budget else [*seeds(setup), *tuning(setup)]),
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


def within(setup: Setup) -> Iterator[str]:
    """What is planned for a time budget once a pilot has shown how long cells take, and how."""
    config, most = setup.config, len(budget.at_most(setup).config.every_seed)
    yield (
        f"Within {spoken_duration(config.time_budget or 0.0)}: a pilot of a few steps and examples "
        "shows how long cells take, and with that are planned"
    )
    searched = rate.to_tune(setup)
    if searched:
        least = config.tries if budget.asked(setup, "tries") else budget.LEAST_TRIES
        count = str(least) if least == config.tries else f"{least} to {config.tries}"
        yield (
            f"- {count} learning rates or more for each of {listed([c.id for c in searched])}, in "
            "half of the time at most; none where that is too little, unless --tune asks for it"
        )
    examples = config.settings.eval_examples
    given = budget.asked(setup, "eval_examples")
    yield (
        f"- {plural(examples, 'example')} to evaluate, as asked for"
        if given
        else f"- {budget.LEAST_EXAMPLES} to {budget.MOST_EXAMPLES} examples to evaluate, of those "
        "that there are"
    )
    yield f"- seeds: one of every method, then others for as long as there is time, {most} at most"
    looks = race.looks(most)
    if looks:
        yield (
            f"After {listed(list(map(str, looks)))} seeds, what is clearly worse is given up, and "
            "its time goes to the others."
        )
    yield f"Steps stay as they are, {config.settings.steps} for every method."
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
    often = "run, as time allows" if setup.config.time_budget else often
    searched = {c.id for c in rate.to_tune(setup)}
    for wanted in setup.compositions:
        yield _row(setup, wanted, wanted.id, often + _added(setup, wanted), searched)
    for wanted, room in setup.fitted:
        yield _row(setup, wanted, f"{wanted.id}, {room.name}", "run", searched)


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
