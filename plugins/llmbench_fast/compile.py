"""Decoder layers compiled one by one (Ansel et al., 2024): fewer and larger kernels."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.util import find_spec
from shutil import which
from typing import Any, Literal

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings

MOST_VARIANTS = 64
"""Graphs of one layer's code before torch gives up on it. Torch's own 8 are soon used up: passes
with and without gradients, inputs that need one or not, fixed and any length, kinds of layers."""

BY_TOKEN = frozenset({"falcon_mamba", "jamba", "mamba", "rwkv"})
"""Kinds of models whose kernels for whole texts are for GPUs."""


class Compile(Strategy):
    """Compiles every decoder layer for training. Alone it is `full+compile`.

    Layers of one kind share their graphs, so that a model of 32 takes as long to compile as one of
    two. The first length of a batch gets kernels of its own, and with the second come such as take
    any length. Evaluation, which would need others for every length of a cache, is not compiled.
    """

    id = "compile"
    summary = "compiled decoder layers: fewer, larger kernels, after a while of compiling"
    group = "compilation"
    arithmetic = False
    in_all = False

    backend: Literal["inductor", "aot_eager"] = Field(
        "inductor", description="What makes kernels of graphs; aot_eager runs them as they are."
    )

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Kernels for GPUs are written in Triton, and those for processors in C++."""
        return missing(environment) if self.backend == "inductor" else None

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Mark every decoder layer; each is compiled as it first runs in a training step."""
        import torch
        from torch._dynamo import config

        if next(model.parameters()).is_meta:
            raise CannotRun("Memory of compiled layers is not predicted.")
        layers = decoder_layers(model)
        if not layers:
            raise CannotRun("No list of decoder layers was found in this model.")
        where, kind = next(model.parameters()).device.type, model.config.model_type
        if where == "cpu" and kind in BY_TOKEN:
            raise CannotRun(
                f"Models of the kind '{kind}' go from token to token in Python on a processor, and "
                "compiling writes out every one of them, for minutes: leave compile out."
            )
        config.recompile_limit = max(config.recompile_limit, MOST_VARIANTS)
        for layer in layers:
            layer.compile(backend=self.backend)
        torch.compiler.set_stance("force_eager")  # but within training steps
        return model

    def training(self) -> AbstractContextManager[Any]:
        """Let what is marked be compiled, here and nowhere else."""
        import torch

        context: AbstractContextManager[Any] = torch.compiler.set_stance("default")
        return context

    def after_step(self, model: Any, number: int) -> None:
        """Hold the cell to its name: something was compiled by now."""
        from torch._dynamo.utils import counters

        if number == 1 and not counters["stats"]["unique_graphs"]:
            raise CannotRun("Torch compiled nothing of this model's layers.")


def missing(environment: Environment) -> str | None:
    """What compiling kernels lacks there, in a sentence; None where it lacks nothing."""
    if environment.device == "cuda" and find_spec("triton") is None:
        return "Compiled kernels for GPUs need the package 'triton', which is not installed."
    if environment.device == "cpu" and not any(map(which, ("g++", "clang++", "c++"))):
        return "Compiled kernels for processors need a C++ compiler: install g++ or clang."
    return None


def decoder_layers(model: Any) -> list[Any]:
    """The layers of which a model's decoder, and its encoder if it has one, are stacks."""
    from torch.nn import ModuleList

    stacks = [m for m in model.modules() if isinstance(m, ModuleList) and len(m) > 0]
    inner = {id(part) for stack in stacks for layer in stack for part in layer.modules()}
    outer = [s for s in stacks if id(s) not in inner]
    return [layer for stack in outer for layer in stack]
