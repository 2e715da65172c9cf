"""A strategy: what a plugin declares about one way of fine-tuning. The harness does the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from llmbench.errors import CellEnded
from llmbench.machine import Environment
from llmbench.record.settings import Settings

BRINGS = {
    "optimizer": ("optimizer",),
    "load": ("loading",),
    "batches": ("batches",),
    "schedule": ("schedule",),
    "loss": ("loss",),
    "record": ("recording",),
    "train": ("training loop", "loss"),
}
"""Methods that take the place of something of the harness's, and what a strategy decides by having
one: two in a composition may not decide the same."""


@dataclass(frozen=True)
class Cut:
    """How a strategy cuts a model up over GPUs, for the prediction of what each of them holds."""

    parts: int
    """Of how many parts each GPU keeps one: of every weight, its gradient and its states."""
    units: Sequence[Any]
    """The modules whose weights are gathered together, when each has its turn; the rest of the
    model is one unit more."""
    regathers: bool
    """Whether they are let go after the forward pass, and gathered once more for the backward."""


class CannotRun(CellEnded):
    """Raised by a worker method: the cell cannot run here, and is skipped for this reason."""


class Strategy(BaseModel):
    """Base class of every strategy. Its fields are its options: `lora(r=64,alpha=128)`.

    Methods marked *worker* run in the process of the cell and may import torch; all others run
    in the parent, which never does. A module that defines a strategy imports torch, transformers
    and the like inside its worker methods only.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", allow_inf_nan=False)

    id: ClassVar[str]
    """Kebab-case name, as typed after `--strategies`."""
    summary: ClassVar[str]
    """One line for `llmbench list strategies` and the report."""
    group: ClassVar[str]
    """`adaptation`, `quantization`, `attention`, `memory`, or a word of the plugin's own."""
    also_claims: ClassVar[frozenset[str]] = frozenset()
    """Further groups that this strategy decides; two members may not decide the same one."""
    stands_on: ClassVar[str] = "full"
    """The adaptation that it brings where the composition names none."""
    bundle: ClassVar[tuple[str, ...]] = ()
    """What it joins, in words, where it is more than one thing. The report counts it as one."""
    in_all: ClassVar[bool] = True
    """Whether `--strategies all` means this one too."""
    arithmetic: ClassVar[bool] = True
    """False for what changes memory or kernels alone: it shares the learning rate that is best
    without it."""
    sets_learning_rate: ClassVar[bool] = False
    """True for what gives the learning rate outright, which is then not searched for."""
    saves_memory: ClassVar[str] = ""
    """`weights` or `activations`, whichever it has take less memory. A cell that runs out of it
    is told of this strategy; empty for one that is to be named to nobody."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Packages that it cannot run without; `llmbench doctor` names it where one is missing."""
    objective: ClassVar[str] = ""
    """What it trains on, in words, where that is not the mean cross entropy of the supervised
    tokens: `the DPO loss`. Its training losses are then not held against the base model's, but the
    first of a `train` of its own against its `loss`; and the validation loss, which stays the cross
    entropy, says nothing of whether it learnt."""
    packed_later: ClassVar[str] = ""
    """Of weights that are trained for being packed afterwards: what is to become of them, in a
    sentence. As they are saved they do not compute what was evaluated, and are not held to it."""
    trains: ClassVar[bool] = True
    """False for a baseline that is evaluated as it is."""
    keeps_copies: ClassVar[bool] = False
    """Whether its `optimizer` keeps the fp32 copies of `bf16-master`: it is then given the weights
    themselves."""
    spreads: ClassVar[Literal["", "data", "model"]] = ""
    """For what trains a cell on several GPUs, a process each: `data` where each trains on a part of
    every batch, `model` where all compute every batch together. Its cell takes `--gpus`."""

    @classmethod
    def brings(cls) -> tuple[str, ...]:
        """Which of the methods in `BRINGS` it has. Records keep them, and the report tells."""
        return tuple(n for n in BRINGS if getattr(cls, n) is not getattr(Strategy, n))

    def claims(self) -> frozenset[str]:
        """The groups that this strategy decides, those of what it brings of its own included."""
        own = {decided for name in self.brings() for decided in BRINGS[name]}
        return self.also_claims | {self.group} | own

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Why this strategy cannot run there, in a sentence; None where it can. Parent."""
        return None

    def refuses(self, others: Sequence[Strategy]) -> str | None:
        """Why it cannot be joined with these others, in a sentence; None where it can. Parent.

        Two that decide the same group are refused without it.
        """
        return None

    def starts_elsewhere(self) -> str | None:
        """Why training does not start from the base model's loss, in a sentence. Parent.

        None where it does, as adapters that begin at zero do: a cell whose first loss is another
        is then called wrong. With a reason, as for prompts that are put before every input, the
        loss is shown and the cell competes.
        """
        return None

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """The settings with what this strategy changes, and declares by doing so. Parent.

        Only `llmbench.record.settings.ADJUSTABLE` may change: the rest makes cells comparable.
        """
        return settings

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """What this strategy adds to `from_pretrained`. Worker."""
        return {}

    def load(self, source: str, options: Mapping[str, Any], settings: Settings) -> Any | None:
        """The base model, loaded in the strategy's own way, as a library that patches it. Worker.

        None for what the harness calls: `from_pretrained(source, **options)` of the class that
        transformers has for it. `source` is a folder or the name on the hub; `options` are
        `revision`, `dtype`, `device_map`, `trust_remote_code` and the like, and what the strategies
        add by `load_kwargs`. The model is to be on the device, its weights as they are in the
        files: its first loss must be the base's. With `--weights random` the folder is written for
        the cell, with the weights that all others have. What it takes of memory is not predicted.
        """
        return None

    def prepare(self, model: Any, settings: Settings) -> Any:
        """The loaded model, made ready to train: adapters added, weights frozen. Worker."""
        return model

    def optimizer(
        self, parameters: Iterable[Any], settings: Settings, named: Mapping[str, Any]
    ) -> Any | None:
        """An optimiser of the strategy's own; None for the harness's AdamW. Worker.

        `parameters` are what it steps: the model's trained weights or, as the precision has it,
        copies of them in fp32. `named` has the same by their names in the model.

        The rate that a group of parameters has when it is returned is its peak, of which every step
        has the share of the schedule: groups may learn at multiples of `settings.learning_rate`.
        """
        return None

    def batches(self, examples: Sequence[Any], pad: int) -> Mapping[str, Any] | None:
        """What the model is called with in training for the examples of a micro-batch. Worker.

        None for what the harness does: every sequence a row, padded on the right with `pad`. An
        example has its token `ids`, and `prompt`, how many of the first are not trained on; it is
        `paired` where an encoder reads the prompt. `rejected` has the ids of the same prompt with
        each worse answer, of preference data. What is returned are tensors on the CPU:
        `input_ids` and `labels` of one shape, -100 where nothing is predicted, and whatever else
        the model takes, such as `position_ids`. The first label of a row is never predicted.

        The tokens are counted by the harness. Non-padding tokens are those of the examples, padded
        tokens all of `input_ids`, and supervised tokens the labels, which must be as many as those
        of the examples. Where there is a row for every rejected answer, too, their tokens count as
        non-padding ones. The loss before anything is learnt must be that of the padded batch. It is
        called before the clock starts. What it takes of memory is not predicted.
        """
        return None

    def schedule(self, step: int, settings: Settings) -> float | None:
        """The share of the peak learning rate at a step, counted from 0. Worker.

        None for what `--schedule` asks for. A method that has this decides the `schedule`.
        """
        return None

    def loss(self, model: Any, inputs: Mapping[str, Any]) -> Any | None:
        """The loss of a micro-batch, computed in the strategy's own way. Worker.

        None for what the harness calls: `model(**inputs, use_cache=False).loss`, the mean cross
        entropy in nats per token whose label is not -100, over `input_ids` and `labels` of shape
        (sequences, tokens) and, for an encoder, `attention_mask`. The first label of a sequence is
        never predicted, but by a decoder that has an encoder. What is returned is a scalar with a
        graph; the harness multiplies it by the micro-batch's share of the step's supervised tokens
        and goes backward.

        It is called in training alone: validation and evaluation take the model's own loss, and
        the loss before anything is learnt must agree with that, or the cell is called wrong.
        """
        return None

    def record(
        self,
        loss: Callable[[Any, Mapping[str, Any]], Any],
        model: Any,
        inputs: Mapping[str, Any],
    ) -> Callable[[Mapping[str, Any]], Any] | None:
        """What computes the loss of micro-batches of one shape from now on. Worker.

        As a CUDA graph does, whose kernels are launched at once. `loss(model, inputs)` is how the
        composition computes it otherwise. None where it is to be computed so; else a function that
        takes inputs of that shape and returns a scalar with a graph. Their values may be others,
        and what it wrote before may be overwritten: a micro-batch goes backward before the next
        comes. Gradients that a backward pass gives must stand.

        It is called at the first micro-batch of every shape in training steps. How long that takes
        is a figure of its own, and the step counts for no speed. The loss of the first step must be
        that of the unrecorded one. What the graphs keep of memory counts in the peak. It is not
        predicted, and `--fit` tries no sizes with it.
        """
        return None

    def train(
        self,
        model: Any,
        steps: Sequence[Sequence[Mapping[str, Any]]],
        optimizer: Any,
        step: Callable[[Any], None],
        settings: Settings,
        tokenizer: Any,
    ) -> None:
        """Train in a loop of the strategy's own, such as another library's. Worker.

        `steps` has what the model is to be called with, on the CPU: for every optimiser step its
        micro-batches, in order. The loop takes all of them, steps the `optimizer` once for each,
        and then calls `step(loss)` with the mean loss per supervised token. The clock runs from one
        such call to the next: whatever the loop does between them is part of the method. The
        gradients are to be clipped to `settings.max_grad_norm` and, after the step, cleared: those
        of the weights that the optimiser holds, which may be copies of the model's. Its learning
        rate is set before it steps, by the comparison's schedule. The `tokenizer` is the model's,
        for a library that asks for one; None with random tokens.

        The loop is held to it: tokens that go through the model's embedding are counted, as are the
        optimiser's steps, and the first loss must be that of the batches. A record says that the
        cell trained so. What it takes of memory is not predicted, and sizes are not searched for.
        """
        raise NotImplementedError

    def distribute(self, model: Any, mesh: Any) -> Any:
        """What training steps call in the place of the model, which is ready. Worker.

        `mesh` is torch's device mesh of all processes of the cell, in one dimension. Gradients are
        to be the mean over the processes where data are spread. Whatever else is asked of the
        model, its weights or its configuration, is asked of the model itself.
        """
        return model

    def cut(self, model: Any, settings: Settings) -> Cut | None:
        """How `distribute` would cut the model up, which is on no device here. Worker.

        None where it does not, or not by units: the memory of each GPU is then predicted only if
        `gather` is not needed either, and each has the whole model.
        """
        return None

    def gather(self, model: Any) -> None:
        """Give every process the whole model again, once it is trained. Worker.

        The first one then evaluates and saves it alone, if data were spread.
        """

    def after_step(self, model: Any, number: int) -> None:
        """Something to do after optimiser step `number`, counted from 1. Worker.

        The weights have been stepped, their gradients are still there, and the clock runs: what
        is done here is part of the method.
        """

    def training(self) -> AbstractContextManager[Any]:
        """A context around every training step's forward and backward pass. Worker."""
        return nullcontext()

    def verify(self, kernels: frozenset[str]) -> str | None:
        """What is wrong with the attention kernels that ran in a training step. Worker.

        `kernels` holds names such as `flash`, `efficient`, `cudnn`, `math` and `eager`. A sentence
        has the cell skipped for that reason: a strategy that promises a kernel proves it here.
        """
        return None
