"""What is wrong with the installed plugins, in sentences."""

from __future__ import annotations

from llmbench.plugin import Registry, clash


def complaints(registry: Registry) -> list[str]:
    """A sentence for each plugin that is left out, and for each id or file that several claim."""
    left_out = [
        f"The plugin '{s.name}' of {s.distribution} is left out ({s.broken}): "
        "repair or uninstall it."
        for s in registry.sources
        if s.broken
    ]
    clashes = [
        clash(table.kind, name, sources)
        for table in (*registry.tables().values(), registry.files)
        for name, sources in table.taken.items()
    ]
    return left_out + clashes
