"""The configuration of a comparison: every value, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from llmbench import units
from llmbench.errors import ConfigError, nearest, wrong
from llmbench.record.record import Budget, Save, Stretched
from llmbench.record.settings import Settings
from llmbench.text import split_list

Weights = Literal["pretrained", "random"]
Retry = Literal["failed", "oom", "diverged", "timeout", "skipped", "all"]
"""Which cells that have a result are run again, by how they ended."""


def _listed(value: object) -> object:
    return split_list(value) if isinstance(value, str) else value


def _seconds(value: object) -> object:
    return units.read_duration(value) if isinstance(value, str) else value


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]

MOST_SEEDS = 1000


def _seeds(value: object) -> object:
    """A single number is a count of seeds; with commas, or in a list, it is the seeds."""
    if isinstance(value, str):
        parts = [p.strip() for p in value.split(",")]
        return parts[0] if len(parts) == 1 else [p for p in parts if p]
    return value


Seeds = Annotated[
    Annotated[int, Field(ge=1, le=MOST_SEEDS)]
    | Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**32)], ...],
        Field(min_length=1, max_length=MOST_SEEDS),
    ],
    BeforeValidator(_seeds),
]


def _size(value: object) -> object:
    """A size with its unit, `16GiB`; a number without a unit is refused."""
    return value if value is None else units.read_size(str(value))


Size = Annotated[int, BeforeValidator(_size), PlainSerializer(units.exact_size)]


class Config(BaseModel):
    """What is to be compared. The settings that all cells share are in `settings`."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    strategies: Listed = Field(
        ("all",), min_length=1, description="Strategies or compositions, with commas; or 'all'."
    )
    ablate: bool = Field(
        False, description="Also run the cells that show what each part of a composition does."
    )
    model: str = Field("llmbench-tiny", description="Alias, hub id or folder.")
    weights: Weights = Field("pretrained", description="Real weights, or the shape alone.")
    train_from_scratch: bool = Field(
        False,
        description="Judge the quality of what is trained from --weights random, as in "
        "pre-training; another start for each seed.",
    )
    revision: str | None = Field(None, description="Branch, tag or commit of a hub model.")
    trust_remote_code: bool = Field(
        False, description="Run code that comes with a model, or with a metric of a hub."
    )
    allow_pickles: bool = Field(
        False, description="Load pickled weights where a model has no others."
    )
    task: str = Field("summarization", description="Task to train and evaluate on.")
    data: str | None = Field(None, description="Training data: file, folder or hub id.")
    eval_data: str | None = Field(None, description="Evaluation data; required with --data.")
    validation_data: str | None = Field(
        None,
        description="Data to choose learning rates on; by default examples are held out of --data.",
    )
    input_field: str | None = Field(
        None, description="Field of the input, where it is not recognised."
    )
    target_field: str | None = Field(None, description="Field of the target, likewise.")
    metrics: Listed = Field((), description="Metrics, with commas. By default those of the task.")
    margin: float | None = Field(
        None,
        gt=0,
        description="Cells whose quality differs by less are as good. By default what the metric "
        "declares: 0.01 of a score from 0 to 1.",
    )
    time_budget: Annotated[float, Field(gt=0), BeforeValidator(_seconds)] | None = Field(
        None,
        description="Time for the whole comparison: 30m, or 1h30m. Seeds, examples and learning "
        "rates to try are planned to fit; methods that are clearly worse are given up early.",
    )
    memory_budget: Size | None = Field(
        None, description="Memory that the pick may need: 16GiB. By default all that there is."
    )
    tune: bool | None = Field(
        None,
        description="Find each method's best learning rate first. By default where quality is "
        "judged, unless a learning rate is given or the model has tuned ones.",
    )
    tries: int = Field(
        5, ge=3, le=9, description="Learning rates that --tune tries for each method, at least."
    )
    fit: Size | None = Field(
        None, description="Also find the largest micro-batch within so much memory: 16GiB."
    )
    fit_seq_len: bool = Field(False, description="Have --fit find the longest sequence instead.")
    predict: bool = Field(
        True,
        description="On a GPU, predict each cell's memory first, and skip what is far beyond it.",
    )
    repeat: bool | None = Field(
        None,
        description="Train the fastest once more at the end: no speeds that differ by less than it "
        "from itself are told apart. By default on a GPU.",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of data order, adapters and dropout.")
    seeds: Seeds = Field(
        1,
        description="How many seeds, counted from --seed; or which ones, with commas. By default 3 "
        "where quality is judged, but for the model that ships.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to run.")
    launcher: str = Field("auto", description="How a cell's process is started.")
    jobs: int = Field(
        1, ge=1, le=4096, description="How many cells run at once, each on a GPU of its own."
    )
    output: str | None = Field(
        None,
        description="Output directory, or a URL such as s3://bucket/folder; by default a new "
        "directory in reports/.",
    )
    save: Save = Field(
        "no",
        description="Keep what each cell that runs has trained, with a model card, in models/ of "
        "the output directory: its adapter, or merged into the base; without one, the whole model.",
    )
    retry: Annotated[tuple[Retry, ...], BeforeValidator(_listed)] = Field(
        (),
        description="Cells of --output to run again, by how they ended: failed, oom, diverged, "
        "timeout, skipped, with commas; or 'all'. Interrupted and killed ones always are.",
    )
    cell_timeout: Annotated[float, Field(gt=0), BeforeValidator(_seconds)] | None = Field(
        None, description="Longest time for a cell: seconds, or 10m, or 1h30m."
    )
    on_oom: Literal["continue", "stop"] = Field(
        "continue",
        description="After a cell that ran out of memory: go on with the next, or stop. Batches "
        "are never made smaller, so that cells stay comparable.",
    )
    wait: bool = Field(
        False, description="Wait for a directory or a GPU that another llmbench is using."
    )
    shared_gpu: bool = Field(
        False, description="Run on a GPU that others use as well, and mark every cell."
    )
    settings: Settings = Settings()

    @property
    def judges(self) -> bool:
        """Whether quality means anything: of random weights alone where they are trained to."""
        return self.weights == "pretrained" or self.train_from_scratch

    @property
    def every_seed(self) -> tuple[int, ...]:
        """The seeds that each composition is run with, in their order, each once."""
        if isinstance(self.seeds, int):
            return tuple((self.seed + n) % 2**32 for n in range(self.seeds))
        return tuple(dict.fromkeys(self.seeds))

    @property
    def budget(self) -> Budget | None:
        """What the cells of --fit may need; None where there are none."""
        if self.fit is None:
            return None
        stretched: Stretched = "seq_len" if self.fit_seq_len else "batch_size"
        return Budget(bytes=self.fit, stretched=stretched)


Layer = tuple[str, Mapping[str, Any]]
"""Where values come from, in words, and the values by option name."""
COMMAND_LINE = "command line"
"""The origin of values that were typed."""


class Resolved(BaseModel):
    """A configuration with, for each option, the words for where its value came from."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    config: Config
    origins: dict[str, str]


OPTIONS = {n: f for n, f in Config.model_fields.items() if n != "settings"}
SETTINGS = Settings.model_fields


def resolve(layers: Sequence[Layer]) -> Resolved:
    """Lay the layers over the defaults, later ones on top; None in a layer means not given.

    Raises ConfigError for an unknown name, or a value that cannot be.
    """
    values: dict[str, Any] = {}
    origins = dict.fromkeys([*OPTIONS, *SETTINGS], "default")
    for origin, layer in layers:
        for name, value in layer.items():
            if name not in origins:
                raise ConfigError(unknown(name, origin))
            if value is not None:
                values[name], origins[name] = value, origin
    return Resolved(config=_build(values, origins), origins=origins)


def unknown(name: str, origin: str) -> str:
    """The message about an option that does not exist."""
    known = [n.replace("_", "-") for n in [*OPTIONS, *SETTINGS]]
    typed = name.replace("_", "-")
    return f"Unknown option '{typed}' ({origin}): {nearest(typed, known)}"


def _build(values: Mapping[str, Any], origins: Mapping[str, str]) -> Config:
    try:
        settings = Settings(**{n: v for n, v in values.items() if n in SETTINGS})
        return Config(**{n: v for n, v in values.items() if n in OPTIONS}, settings=settings)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ConfigError(
            f"--{name.replace('_', '-')} cannot be {first['input']!r} ({origins[name]}): "
            f"{wrong(first)}"
        ) from None


def rows(resolved: Resolved) -> list[tuple[str, str, str]]:
    """(option, value, origin) of everything, for a person to read."""
    config = resolved.config
    values = {**config.model_dump(exclude={"settings"}), **config.settings.model_dump()}
    return [(n.replace("_", "-"), _show(values[n]), resolved.origins[n]) for n in values]


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(str(v) for v in value) or "-"
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
