"""Which weights an optimiser of matrices steps. Imported by those alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

APART = ("embed", "lm_head")
"""Parts of the names of matrices whose rows are tokens."""


def parted(named: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """The matrices of layers, and the rest: embeddings, head and vectors."""
    matrices, rest = list[Any](), list[Any]()
    for name, weight in named.items():
        matrix = weight.ndim == 2 and not any(part in name for part in APART)
        (matrices if matrix else rest).append(weight)
    return matrices, rest
