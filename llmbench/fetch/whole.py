"""Whether a model's files are all there and as long as they say, without loading any."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
"""Any one of them makes a tokenizer."""
MOST_HEADER_BYTES = 100_000_000
"""As the safetensors format has it."""


def damaged_weights(folder: Path) -> list[str]:
    """Names of the weights' files that are missing, cut short or unreadable."""
    return [name for name in _weights(folder) if not is_whole(folder / name)]


def has_tokenizer(folder: Path) -> bool:
    """Whether there is anything that a tokenizer can be made of."""
    found = (folder / name for name in TOKENIZERS)
    return any(path.is_file() and path.stat().st_size > 0 for path in found)


def is_whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= MOST_HEADER_BYTES:
                return False
            header = json.loads(file.read(length))
        return path.stat().st_size == 8 + length + max(_ends(header), default=0)
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
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


def _ends(header: dict[str, dict[str, list[int]]]) -> Iterator[int]:
    return (entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
