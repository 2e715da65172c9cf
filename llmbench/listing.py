"""What `llmbench list` shows."""

from __future__ import annotations

from llmbench.plugin import Registry
from llmbench.preview import aligned


def listing(kind: str, registry: Registry) -> str:
    """Everything of one kind, with the package that it comes from."""
    if kind == "plugins":
        rows = [(s.name, s.distribution, s.broken or "works") for s in registry.sources]
        return aligned(("PLUGIN", "PACKAGE", "STATE"), rows)
    table = registry.tables()[f"register_{kind}"]
    rows = [
        (name, entry.item.summary, entry.source.distribution)
        for name, entry in table.entries.items()
    ]
    return aligned(("ID", "SUMMARY", "PACKAGE"), rows)
