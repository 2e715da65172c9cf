"""The model of the load phase, pretrained or with random weights."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.utils import logging

from llmbench.errors import PluginError, message
from llmbench.machine import Environment
from llmbench.plugin.blame import blamed
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.settings import Settings
from llmbench.worker import architecture, brought, checkpoint, coverage, guard
from llmbench.worker.precision import dtype
from llmbench.workers.job import Job

BASE_SEED = 0
"""Seed of random weights that are there for their shape: the same in every cell."""
QUANTIZATION = "quantization_config"
DISTRIBUTED = "distributed_config"
"""Of a model that is cut up as it is loaded, by transformers' own plan."""
NO_KERNEL = re.compile(r"(\w+) does not support (?:an attention implementation|Flash Attention)")
"""What transformers says where a model has its attention written out, and no kernel computes it."""
Warn = Callable[[str], None]
"""A callback for sentences that a reader has to know."""


logging.disable_progress_bar()  # a log is no terminal


def load_model(
    job: Job, strategies: Sequence[Strategy], device: torch.device, warn: Warn = lambda said: None
) -> Any:
    """The base model on the device, loaded as the strategies ask.

    CannotRun where it is no model that writes text, or would not be what its files hold; `warn`
    is told what a reader has to know of it.
    """
    ref = job.cell.model
    config = architecture.config_of(job.model_source, ref)
    auto = architecture.class_of(config, ref.id)
    kwargs = load_kwargs(job.cell.settings, job.environment, strategies)
    # Said outright: where it is left open, transformers asks on a terminal that is not there.
    kwargs["trust_remote_code"] = ref.remote_code
    if DISTRIBUTED in kwargs:
        check_plan(config, ref.id, job.cell.settings.gpus)
    quantization = quantization_of(config, ref.id, kwargs, strategies)
    loaded: Mapping[str, Any] = {}
    with refusals():
        if ref.weights == "pretrained":
            model, loaded = pretrained_model(auto, job, kwargs, device, strategies)
        elif brought.bringer(strategies, "load") is None:
            model = random_model(auto, config, kwargs, quantization, device, start(job))
        else:
            with random_files(auto, config, job, kwargs, device) as written:
                model, _ = pretrained_model(auto, written, kwargs, device, strategies)
    said = [checkpoint.check(ref.id, loaded) if loaded else None]
    if quantization is not None:
        kind = architecture.kind_of(quantization)
        if QUANTIZATION not in kwargs:
            said.append(f"The weights are stored in {kind}, and no run has the whole ones.")
        said.append(coverage.check_packed(model, kind))
    for sentence in filter(None, (*said, *architecture.neutralize(model))):
        warn(sentence)
    checkpoint.mend_packed(model)
    return model


def check_plan(config: Any, name: str, gpus: int) -> None:
    """CannotRun where transformers has no plan to cut up the architecture, or not into so many."""
    text = config.get_text_config()
    if not getattr(text, "base_model_tp_plan", None):
        raise CannotRun(
            f"transformers has no plan to cut up the matrices of '{name}' ({text.model_type}): "
            "take fsdp, which cuts up any model."
        )
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    if heads % gpus:
        raise CannotRun(
            f"The {heads} heads of keys and values of '{name}' cannot be shared by {gpus} GPUs: "
            "take fewer, or fsdp."
        )


def pretrained_model(
    auto: Any,
    job: Job,
    kwargs: dict[str, Any],
    device: torch.device,
    strategies: Sequence[Strategy],
) -> tuple[Any, dict[str, Any]]:
    """The model with the weights of its files, and what transformers says of loading them.

    It says nothing of a model that a strategy loads itself.
    """
    ref, source = job.cell.model, job.model_source
    options = {
        "revision": ref.revision,
        "use_safetensors": None if ref.pickles else True,
        "device_map": {"": 0} if device.type == "cuda" and DISTRIBUTED not in kwargs else None,
        **kwargs,
    }
    model, loaded = brought.model(strategies, source, options, job.cell.settings, device), {}
    if model is None:
        model, loaded = auto.from_pretrained(
            source,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told, with those that are missing
            **options,
        )
    if device.type == "cpu":
        checkpoint.take_in(model)
    return model, loaded


def start(job: Job) -> int:
    """The seed of random weights: the cell's own where they are trained to be a model."""
    return job.cell.seed if job.cell.model.weights == "scratch" else BASE_SEED


def random_model(
    auto: Any,
    config: Any,
    kwargs: Mapping[str, Any],
    quantization: Any,
    device: torch.device,
    seed: int,
) -> Any:
    """The architecture with random weights, made on the device and then quantised if asked."""
    trusted = kwargs["trust_remote_code"]
    apart = ("trust_remote_code", QUANTIZATION, DISTRIBUTED)
    others = {k: v for k, v in kwargs.items() if k not in apart}
    if hasattr(config, QUANTIZATION):  # these weights are whole as they are made
        del config.quantization_config
    torch.manual_seed(seed)
    with device:
        model = auto.from_config(config, trust_remote_code=trusted, **others)
    whole = {"config": model.config, "state_dict": model.state_dict(), **others}
    if DISTRIBUTED in kwargs:
        # From the host: a part that is cut out on the device would hold the whole of it.
        whole["state_dict"] = {name: tensor.cpu() for name, tensor in whole["state_dict"].items()}
        kind = type(model)
        del model
        return kind.from_pretrained(None, distributed_config=kwargs[DISTRIBUTED], **whole)
    if quantization is None:
        return model
    return type(model).from_pretrained(
        None,
        quantization_config=quantization,
        device_map={"": 0} if device.type == "cuda" else None,
        **whole,
    )


@contextmanager
def random_files(
    auto: Any, config: Any, job: Job, kwargs: Mapping[str, Any], device: torch.device
) -> Iterator[Job]:
    """The job with random weights as files, for a strategy that loads the model itself.

    They are those that every other cell trains from, and gone when the block ends.
    """
    folder = job.work_folder / "weights"
    whole = {name: v for name, v in kwargs.items() if name != QUANTIZATION}
    random_model(auto, config, whole, None, device, start(job)).save_pretrained(folder)
    try:
        yield job.model_copy(update={"model_source": str(folder)})
    finally:
        shutil.rmtree(folder)


def quantization_of(
    config: Any, name: str, kwargs: Mapping[str, Any], strategies: Sequence[Strategy]
) -> Any | None:
    """How the weights will be quantised, by the strategies or in their files already.

    CannotRun where they are stored in few bits, and the strategies ask for something else.
    """
    asked, stored = kwargs.get(QUANTIZATION), architecture.stored_quantization(config)
    if (asked or stored) and config.model_type in architecture.REWRITES_WEIGHTS:
        raise CannotRun(
            f"'{name}' ({config.model_type}) changes its weights as it goes from training to use, "
            "which it cannot do where they are packed and have adapters beside them."
        )
    if stored is None:
        return asked
    kind = architecture.kind_of(stored)
    if asked is not None:
        raise CannotRun(
            f"The weights of '{name}' are stored in {kind}, and cannot be quantised again: leave "
            "the quantisation out, as in lora, or take the model as it was before."
        )
    if any("quantization" in s.claims() and s.trains for s in strategies):
        raise CannotRun(
            f"The weights of '{name}' are stored in {kind}, which cannot be trained as a whole: "
            "take lora, or the model as it was before."
        )
    return stored


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what transformers will not load as asked into a reason to skip the cell."""
    try:
        yield
    except (ValueError, ImportError) as error:
        match = NO_KERNEL.search(message(error))
        if match is None:
            raise
        raise CannotRun(f"{match[1]} has no attention that such a kernel could compute.") from error


def load_kwargs(
    settings: Settings, environment: Environment, strategies: Sequence[Strategy]
) -> dict[str, Any]:
    """How to load: the type of frozen weights, and what the strategies together add to it.

    PluginError where two strategies set the same thing.
    """
    merged: dict[str, Any] = {}
    for strategy in strategies:
        with blamed("strategy", strategy.id, "load_kwargs"):
            added = guard.mapping(strategy.load_kwargs(settings, environment))
        both = merged.keys() & added.keys()
        if both:
            raise PluginError(
                f"'{strategy.id}' sets {', '.join(sorted(both))} for loading, "
                "which another member sets too: leave one of them out."
            )
        merged |= added
    return {"dtype": dtype(settings.numerics.frozen), **merged}
