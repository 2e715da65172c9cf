"""The load phase: model and tokenizer, pretrained or with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from llmbench.errors import ModelError, PluginError
from llmbench.machine import Environment
from llmbench.plugin.blame import blamed
from llmbench.plugin.strategy import Strategy
from llmbench.record.record import ModelRef, Parameters
from llmbench.record.settings import Settings
from llmbench.worker import guard
from llmbench.worker.precision import dtype
from llmbench.workers.job import Job

MOST_TOKENS = 2**20
"""Tokens of a sequence where the model does not say how long one may be."""
BASE_SEED = 0
"""Seed of random base weights: the same in every cell, whatever the cell's own seed."""


logging.disable_progress_bar()  # a log is no terminal


def load_model(job: Job, strategies: Sequence[Strategy], device: torch.device) -> Any:
    """The base model on the device, loaded as the strategies ask."""
    ref = job.cell.model
    kwargs = load_kwargs(job.cell.settings, job.environment, strategies)
    # Said outright: where it is left open, transformers asks on a terminal that is not there.
    kwargs["trust_remote_code"] = ref.remote_code
    if ref.weights == "random":
        return random_model(job.model_source, kwargs, device)
    return AutoModelForCausalLM.from_pretrained(
        job.model_source,
        revision=ref.revision,
        use_safetensors=None if ref.pickles else True,
        device_map={"": 0} if device.type == "cuda" else None,
        **kwargs,
    )


def random_model(folder: str, kwargs: dict[str, Any], device: torch.device) -> Any:
    """The architecture with random weights, made on the device and then quantised if asked."""
    trusted = kwargs.pop("trust_remote_code")
    config = AutoConfig.from_pretrained(folder, trust_remote_code=trusted)
    quantization = kwargs.pop("quantization_config", None)
    torch.manual_seed(BASE_SEED)
    with device:
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trusted, **kwargs)
    if quantization is None:
        return model
    return type(model).from_pretrained(
        None,
        config=config,
        state_dict=model.state_dict(),
        quantization_config=quantization,
        device_map={"": 0} if device.type == "cuda" else None,
        **kwargs,
    )


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


def load_tokenizer(source: str, model: ModelRef) -> Any:
    """The tokenizer, with a padding token if it has none of its own."""
    tokenizer = AutoTokenizer.from_pretrained(
        source, revision=model.revision, trust_remote_code=model.remote_code
    )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def longest(model: Any) -> int:
    """The most tokens of a sequence that the model has positions for."""
    config = model.config.get_text_config()
    return int(getattr(config, "max_position_embeddings", None) or MOST_TOKENS)


def check_length(model: Any, name: str, tokens: int, option: str) -> None:
    """ModelError for more tokens than the model has positions for, and the option to lower."""
    most = longest(model)
    if tokens > most:
        raise ModelError(
            f"'{name}' has positions for {most:,} tokens, and {tokens:,} are more: lower {option}."
        )


def count_parameters(model: torch.nn.Module) -> Parameters:
    """Elements that train, and all of them; a packed 4-bit weight as the elements it holds."""
    parameters = list(model.parameters())
    return Parameters(
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        total=sum(elements(p) for p in parameters),
    )


def elements(parameter: torch.nn.Parameter) -> int:
    """Elements that a parameter stands for: bitsandbytes packs two 4-bit ones into a byte."""
    state = getattr(parameter, "quant_state", None)
    return int(torch.Size(state.shape).numel()) if state is not None else parameter.numel()
