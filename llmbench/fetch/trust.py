"""What in a model's folder would run code when it is loaded, and whether the user allows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmbench.errors import ModelError

MOST_BYTES = 2**20
"""Files that name code are small; a tokenizer's vocabulary and an index of shards are not."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
LOADABLE = "pytorch_model*.bin"
"""The pickles that transformers loads weights from."""


@dataclass(frozen=True)
class Trust:
    """What the user allows a model to bring: nothing, unless asked for."""

    remote_code: bool = False
    pickles: bool = False


NOTHING = Trust()


def check_code(folder: Path, name: str, trust: Trust) -> None:
    """ModelError where a file names code that came with the model, and it must not run."""
    if trust.remote_code:
        return
    for path in sorted(folder.glob("*.json")):
        if path.stat().st_size <= MOST_BYTES and _names_code(_content(path, name)):
            raise ModelError(
                f"'{name}' brings code of its own (auto_map in {path.name}), which is not run: "
                "allow it with --trust-remote-code, or remove auto_map to load it without."
            )


def check_weights(folder: Path, name: str, trust: Trust) -> None:
    """ModelError where there are no weights that may be loaded."""
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"'{name}' holds an adapter: merge it into its base model (merge_and_unload) first."
        )
    if list(folder.glob("*.safetensors")) or (trust.pickles and list(folder.glob(LOADABLE))):
        return
    if any(path for pattern in PICKLES for path in folder.glob(pattern)):
        raise ModelError(
            f"'{name}' has no .safetensors weights but pickles, which can run code: save it "
            "with save_pretrained(safe_serialization=True), or allow them with --allow-pickles."
        )
    raise ModelError(
        f"'{name}' has no .safetensors weights: save it with "
        "save_pretrained(safe_serialization=True), or use --weights random."
    )


def _content(path: Path, name: str) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise ModelError(f"'{name}' has a {path.name} that cannot be read: mend it.") from None


def _names_code(content: Any) -> bool:
    if isinstance(content, dict):
        return "auto_map" in content or any(map(_names_code, content.values()))
    return isinstance(content, list) and any(map(_names_code, content))
