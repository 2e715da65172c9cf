"""What a model's folder holds as one digest, taken in a moment.

Small files count whole. Of a safetensors file count the header, which names every tensor, and a
sample from the middle of each tensor; of any other large file samples at even distances. Training
changes what it trains nearly everywhere, and so the digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from llmbench.record.record import ModelRef
from llmbench.source import digest
from llmbench.source.model import Source

SMALL_BYTES = 2**26
SAMPLE_BYTES = 4096
SAMPLES = 256
WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack"})
MEANT = WEIGHTS | {".json", ".model", ".py", ".txt", ".jinja"}
"""Suffixes of files that make a model what it is."""


def of(source: Source) -> str | None:
    """The digest of a model that no commit identifies; None for one from a hub."""
    random = source.weights == "random"
    place = source.config if random and source.config else source.folder
    if place is None or (source.revision is not None and place == source.folder):
        return None
    return of_folder(place, weights=not random)


def of_folder(folder: Path, weights: bool = True) -> str:
    """The digest of a folder's files, with or without those that hold weights; in hexadecimal."""
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        suffix = path.suffix.lower()
        if path.is_file() and suffix in MEANT and (weights or suffix not in WEIGHTS):
            total.update(f"{path.name} {path.stat().st_size}\n".encode())
            for part in _parts(path):
                total.update(part)
    return total.hexdigest()


def _parts(path: Path) -> Iterator[bytes]:
    """What counts of a file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= SMALL_BYTES:
            yield file.read()
            return
        header, starts = _tensors(path) if path.suffix == ".safetensors" else (b"", [])
        yield header
        for start in starts or range(0, size, max(1, size // SAMPLES)):
            file.seek(start)
            yield file.read(SAMPLE_BYTES)


def _tensors(path: Path) -> tuple[bytes, list[int]]:
    """A safetensors file's header, and where the middle of each of its tensors is."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length)
    try:
        entries = {k: v for k, v in json.loads(header).items() if k != "__metadata__"}
        spans = sorted(entry["data_offsets"] for entry in entries.values())
        return header, [8 + length + (begin + end) // 2 for begin, end in spans]
    except (ValueError, KeyError, TypeError, AttributeError):
        return header, []


def model_ref(fetched: Source, scratch: bool = False) -> ModelRef:
    """What records say of the model; `scratch` is whether random weights are trained to be one."""
    return ModelRef.model_validate(
        {
            "id": fetched.id,
            "weights": "scratch" if scratch else fetched.weights,
            "revision": fetched.revision,
            "digest": digest.of(fetched),
            "remote_code": fetched.trust.remote_code,
            "pickles": fetched.trust.pickles,
        }
    )
