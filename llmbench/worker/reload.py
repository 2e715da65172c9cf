"""`python -m llmbench.worker.reload`: is what a strategy saves what it trained?

A model is made ready, its trained weights are moved, and it is saved and loaded again, as whoever
takes the result home would. One process answers for any number of strategies: it reads what is
asked from standard input as JSON, and writes a line of JSON for each.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from llmbench import plugin
from llmbench.config import composition
from llmbench.errors import message
from llmbench.machine import collect
from llmbench.plugin.strategy import CannotRun, Strategy
from llmbench.record.record import ModelRef
from llmbench.record.settings import Settings
from llmbench.worker import architecture, load
from llmbench.worker.cell import prepared

MOVE = 0.01
"""How far trained weights are moved, in standard deviations of a normal distribution."""
CLOSE = 1e-3
"""How far logits may be apart: rounding only."""


def difference(strategies: Sequence[Strategy], source: str) -> str | None:
    """What is wrong with what strategies save of the model at `source`; None where nothing is.

    CannotRun where they cannot be put on it.
    """
    settings = Settings()
    auto = architecture.class_of(architecture.config_of(source, REF), REF.id)
    added = load.load_kwargs(settings, collect("cpu"), strategies)
    model = prepared(auto.from_pretrained(source, **added), strategies, settings)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(MOVE * torch.randn_like(weight))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        again = _loaded(auto, source, Path(folder))
        apart = float((_logits(model) - _logits(again)).abs().max())
    if apart <= CLOSE:
        return None
    return (
        f"Loaded again, it computes something else: its logits are {apart:.2g} apart. "
        "Save all that is trained."
    )


REF = ModelRef(id="the model", weights="pretrained")


def _loaded(auto: Any, source: str, folder: Path) -> Any:
    """The saved model, or the one that was trained from with the saved adapters."""
    if not (folder / "adapter_config.json").exists():
        return auto.from_pretrained(folder, dtype=torch.float32)
    from peft import PeftModel

    base = auto.from_pretrained(source, dtype=torch.float32)
    return PeftModel.from_pretrained(base, str(folder))


def _logits(model: Any) -> torch.Tensor:
    tokens = torch.arange(4, 20)[None]
    inputs = {"input_ids": tokens, "use_cache": False}
    if architecture.paired(model.config):
        inputs["decoder_input_ids"] = tokens
    with torch.no_grad():
        logits: torch.Tensor = model.eval()(**inputs).logits
    return logits.float()


def untried(strategies: Sequence[Strategy]) -> str | None:
    """Why saved and trained weights cannot be compared; None where they can."""
    if load.QUANTIZATION in load.load_kwargs(Settings(), collect("cpu"), strategies):
        return "Its weights are quantised: whoever loads them again decides anew how they are held."
    if any("load" in strategy.brings() for strategy in strategies):
        return "It loads the model itself: nothing here knows how to load the result."
    return next((strategy.packed_later for strategy in strategies if strategy.packed_later), None)


def answer(text: str, source: str) -> dict[str, str | None]:
    """What is wrong with what the composition saves, or why it was not looked at."""
    strategies = composition.read(text).members
    try:
        why = untried(strategies)
        return {"untried": why} if why else {"problem": difference(strategies, source)}
    except CannotRun as error:
        return {"untried": f"It is skipped here: {message(error)}"}
    except Exception as error:  # a plugin may do anything
        return {"problem": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Answer for each composition in turn."""
    asked = json.load(sys.stdin)
    for file in asked["files"]:
        plugin.include(Path(file))
    for text in asked["compositions"]:
        line = json.dumps({"composition": text, **answer(text, asked["model"])})
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
