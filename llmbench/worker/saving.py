"""The save phase of a cell: what was trained as files, measured, and kept if that is asked for."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import torch

from llmbench.errors import message
from llmbench.record.record import Saved
from llmbench.worker import sharing, shortage, train
from llmbench.worker.running import Running

CLOSE = 0.01
"""How far the loss of a merged model may be from that of its parts, as a share: rounding only."""


class NotMerged(Exception):
    """Why an adapter is not merged into its base, in words."""


def save_phase(running: Running) -> None:
    """Save what was trained and note its size; then keep it as --save has it, or remove it."""
    folder, wanted = running.job.artifact, running.job.save
    write(running, running.model, folder)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    running.recorder.note(artifact_bytes=size)
    if wanted == "no":
        shutil.rmtree(folder)
        return
    with running.recorder.meter.paused():
        running.recorder.note(saved=kept(running, folder))
    if running.tokenizer is not None:
        running.tokenizer.save_pretrained(folder)


def write(running: Running, model: Any, folder: Path) -> None:
    """Write a model as its library does."""
    extra = {"save_embedding_layers": False} if hasattr(model, "peft_config") else {}
    model.save_pretrained(folder, **extra, **sharing.to_save(running))


def kept(running: Running, folder: Path) -> Saved:
    """What lies in the folder at the end: a whole model, an adapter or, if asked for, both in one.

    Where an adapter cannot be merged, or the result would be another model, it is kept as it is,
    and the reader told why.
    """
    if not hasattr(running.model, "peft_config"):
        return Saved(form="whole")
    if running.job.save != "merged":
        return Saved(form="adapter")
    try:
        saved = merge(running, folder)
    except NotMerged as error:
        running.recorder.warn(
            f"Its adapter is kept as it is, and not merged into the base: {error}."
        )
        saved = Saved(form="adapter")
    return saved


def merge(running: Running, folder: Path) -> Saved:
    """Put the adapter into the base's weights, and write the whole in its place; NotMerged where
    that cannot be.

    The loss on the first training batch is taken of both, since weights in few bits round what is
    added to them.
    """
    model = running.model
    unfit = obstacle(running)
    if unfit:
        raise NotMerged(unfit)
    apart = loss(running, model)
    try:
        whole = model.merge_and_unload(safe_merge=True)
    except Exception as error:  # every method of peft has ways of its own to refuse
        if shortage.out_of_memory(error):
            raise
        raise NotMerged(f"peft cannot ({message(error).strip() or type(error).__name__})") from None
    together = loss(running, whole)
    if apart is None or together is None or abs(together - apart) > CLOSE * max(1.0, abs(apart)):
        raise NotMerged(
            f"merged, its loss on the first training batch would be {together or math.nan:.3f}, "
            f"and is {apart or math.nan:.3f}"
        )
    shutil.rmtree(folder)
    whole.save_pretrained(folder)
    return Saved(form="merged", loss=apart, merged_loss=together)


def obstacle(running: Running) -> str | None:
    """Why nobody should try to merge, in words; None where one may."""
    model = running.model
    if running.spread.ranks > 1:
        return "it was trained on several GPUs"
    if any(config.is_prompt_learning for config in model.peft_config.values()):
        return "what is put before every input is no part of any weight"
    if getattr(model.get_base_model(), "is_quantized", False):
        return "the base's weights are quantised, and would be rounded again with it"
    return None


def loss(running: Running, model: torch.nn.Module) -> float | None:
    """The loss on the first training batch; None for one that is no number."""
    assert running.first
    value = train.first_loss(model, running.first)
    return value if math.isfinite(value) else None
