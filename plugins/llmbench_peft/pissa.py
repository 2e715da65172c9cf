"""PiSSA: adapters that start as what matters most of each weight, saved as plain LoRA."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import Field

from llmbench.record.settings import Settings
from llmbench_peft.low_rank import LowRank


class Pissa(LowRank):
    """Adapters that start as the weights' largest singular values (Meng et al., 2024).

    They come of a fast decomposition of 4 iterations. The base keeps the rest, so that weights that
    are quantised already cannot be its base. That decomposition draws random numbers, and another
    one leaves another rest: what is saved is plain LoRA of twice the rank, which holds the
    difference that training made, and goes with the base as it was published (appendix C of the
    paper).
    """

    id = "pissa"
    summary = "LoRA that starts from the weights' largest singular values"
    also_claims = frozenset({"quantization"})
    variant = MappingProxyType({"init_lora_weights": "pissa_niter_4"})

    alpha: int = Field(16, ge=1, description="Scale of the adapters' output; r, as in the paper.")

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Add the adapters, and keep on the host what they start as, to be told apart by."""
        from peft import get_peft_model_state_dict

        made = super().prepare(model, settings)
        start = get_peft_model_state_dict(made)
        if not any(weight.is_meta for weight in start.values()):
            copies = {name: weight.to("cpu", copy=True) for name, weight in start.items()}
            made.save_pretrained = partial(save, made.save_pretrained, copies)
        return made


def save(write: Any, start: Mapping[str, Any], folder: str | Path, **options: Any) -> None:
    """Write the adapters as peft does, and make plain LoRA of them.

    W + B A - B0 A0, of which W - B0 A0 is the base that was trained on, is W + [B, -B0] [A; A0].
    """
    from safetensors.torch import load_file, save_file

    write(folder, **options)
    weights, config = (Path(folder) / f"adapter_{name}" for name in WRITTEN)
    values = json.loads(config.read_text("utf-8"))
    values |= {"init_lora_weights": True}
    values |= {name: 2 * values[name] for name in ("r", "lora_alpha")}
    trained = load_file(weights)
    made = {name: joined(name, trained[name], start[name], values["r"]) for name in trained}
    save_file(made, weights)
    config.write_text(f"{json.dumps(values, indent=2, sort_keys=True)}\n", "utf-8")


WRITTEN = ("model.safetensors", "config.json")


def joined(name: str, trained: Any, start: Any, rank: int) -> Any:
    """A matrix with the one that it was at first: rows of the first factor, columns of the second.

    In the type that is wider, as the start is what was taken from the base; with zeros up to the
    rank, as a layer that is narrower has fewer singular values.
    """
    import torch
    from torch.nn.functional import pad

    if "A" in name.rpartition("lora_")[2]:  # lora_A.weight, or lora_embedding_A
        rows = torch.cat([trained, start])
        return pad(rows, (0, 0, 0, rank - len(rows)))
    columns = torch.cat([trained, -start], dim=1)
    return pad(columns, (0, rank - columns.shape[1]))
