"""What in a model's folder would run code when it is loaded, and whether the user allows it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmbench.errors import ModelError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "source.spm",
    "tekken.json",
    "tokenizer.tiktoken",
)
"""Any one of them makes a tokenizer."""
BYTES = "ByT5Tokenizer"
"""Reads bytes, and so has no vocabulary to store."""


def damaged_weights(folder: Path) -> list[str]:
    """Names of the weights' files that are missing, cut short or unreadable."""
    return [name for name in _weights(folder) if not is_whole(folder / name)]


def has_tokenizer(folder: Path) -> bool:
    """Whether there is anything that a tokenizer can be made of."""
    paths = (folder / name for name in TOKENIZERS)
    if any(path.is_file() and path.stat().st_size > 0 for path in paths):
        return True
    named = folder / "tokenizer_config.json"  # one that reads bytes has no vocabulary to store
    return named.is_file() and BYTES in named.read_text("utf-8", errors="replace")


def is_whole(path: Path) -> bool:
    """Whether a safetensors file can be read and is as long as its header says."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            return True
    except (OSError, SafetensorError):
        return False


def shards(index: Path) -> list[str]:
    """The files that an index names; none where it cannot be read."""
    try:
        named = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        return sorted(map(str, named))
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return []


def _weights(folder: Path) -> list[str]:
    """The files that transformers loads: the single one, else those of the index."""
    if (folder / SINGLE).is_file() or not (folder / INDEX).is_file():
        return [SINGLE]
    return shards(folder / INDEX) or [INDEX]


MOST_BYTES = 2**20
"""A vocabulary and an index of shards are larger, and name no code; a configuration is read
whatever its size."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
LOADABLE = "pytorch_model*.bin"
"""The pickles that transformers loads weights from."""
ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
"""Keys that name an attention kernel; one with a slash in it is fetched from the hub and run."""
PICKLES_INDEX = "pytorch_model.bin.index.json"
PLAIN_NAME = re.compile(r"[^/\\:]+")


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
        small = path.is_file() and path.stat().st_size <= MOST_BYTES
        key = _key_of_code(_content(path, name)) if small or "config" in path.name else None
        if key:
            whose = "code of its own" if key == "auto_map" else "a kernel of a hub"
            raise ModelError(
                f"'{name}' brings {whose} ({key} in {path.name}), which is not run: "
                f"allow it with --trust-remote-code, or remove {key} to load it without."
            )


def check_weights(folder: Path, name: str, trust: Trust) -> None:
    """ModelError where there are no weights that may be loaded."""
    check_names(folder, name)
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


def check_names(folder: Path, name: str) -> None:
    """ModelError where a file has weights loaded that no check and no digest looks at.

    What is looked at are the files in the folder itself that end as their index does.
    """
    for index, suffix in ((INDEX, ".safetensors"), (PICKLES_INDEX, ".bin")):
        for shard in shards(folder / index):
            if not PLAIN_NAME.fullmatch(shard) or not shard.endswith(suffix):
                raise ModelError(
                    f"'{name}' has its weights in '{shard}' ({index}), which is not loaded: "
                    f"have the index name {suffix} files beside it."
                )
    for path in sorted(folder.glob("config*.json")):
        content = _content(path, name)
        if isinstance(content, dict) and content.get("transformers_weights"):
            raise ModelError(
                f"'{name}' names its own file of weights (transformers_weights in {path.name}), "
                f"which is not loaded: call it {SINGLE}, and remove that line."
            )


def _content(path: Path, name: str) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise ModelError(f"'{name}' has a {path.name} that cannot be read: mend it.") from None


def _key_of_code(content: Any) -> str | None:
    """The key, anywhere in the content, under which code is named that came from elsewhere."""
    waiting = [content]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "auto_map" or (key in ATTENTION and "/" in str(value)):
                    return str(key)
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return None
