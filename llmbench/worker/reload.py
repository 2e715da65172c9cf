"""`python -m llmbench.worker.reload STRATEGY [FILE...]`: is what a strategy saves what it trained?

The shipped model is made ready, its trained weights are moved, and it is saved and loaded again, as
whoever takes the result home would. Where the two differ, it ends with a sentence and status 1.
What cannot be tried is told on standard output.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from llmbench import plugin
from llmbench.machine import collect
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench.worker.cell import prepared

MODEL = "llmbench-tiny"
MOVE = 0.01
"""How far trained weights are moved, in standard deviations of a normal distribution."""
CLOSE = 1e-3
"""How far logits may be apart: rounding only."""


def difference(strategy: Strategy) -> str | None:
    """What is wrong with what the strategy saves, in a sentence; None where nothing is."""
    from transformers import AutoModelForCausalLM

    settings = Settings()
    added = strategy.load_kwargs(settings, collect("cpu"))
    source = str(plugin.registry().models.get(MODEL).folder)
    base = AutoModelForCausalLM.from_pretrained(source, **{"dtype": torch.float32, **added})
    model = prepared(base, [strategy], settings)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(MOVE * torch.randn_like(weight))
    tokens = torch.arange(4, 20)[None]
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        again = _loaded(Path(folder))
        apart = float((_logits(model, tokens) - _logits(again, tokens)).abs().max())
    if apart <= CLOSE:
        return None
    return (
        f"Loaded again, it computes something else: its logits are {apart:.2g} apart. "
        "Save all that is trained."
    )


def _loaded(folder: Path) -> Any:
    """The saved model, or the shipped one with the saved adapters."""
    if (folder / "adapter_config.json").exists():
        from peft import AutoPeftModelForCausalLM

        return AutoPeftModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def _logits(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model.eval()(input_ids=tokens).logits
    return logits.float()


def main(name: str, files: list[str]) -> None:
    """End with what is wrong, if anything is; say why where it was not looked at."""
    for file in files:
        plugin.include(Path(file))
    strategy = plugin.registry().strategies.get(name)()
    why = untried(strategy)
    if why:
        sys.stdout.write(f"{why}\n")
    else:
        sys.exit(difference(strategy))


def untried(strategy: Strategy) -> str | None:
    """Why saved and trained weights cannot be compared; None where they can."""
    if "quantization_config" in strategy.load_kwargs(Settings(), collect("cpu")):
        return "Its weights are quantised: whoever loads them again decides anew how they are held."
    if "load" in strategy.brings():
        return "It loads the model itself: nothing here knows how to load the result."
    return None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
