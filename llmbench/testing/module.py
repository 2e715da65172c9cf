"""A plugin's module as it stands: is it found, are its hooks called, are its methods."""

from __future__ import annotations

import difflib
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from llmbench import plugin
from llmbench.plugin.catalogue import CHOICE, GROUP, Plugin
from llmbench.plugin.shape import KINDS

HEAVY = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "datasets")
"""What takes seconds to import: workers do, the command line never."""
ALIKE = 0.8
"""Names that difflib finds as similar as that are taken for misspelt: `prepair` for `prepare`."""
LOAD = """
import sys
from pathlib import Path
from llmbench import plugin
plugin.registry()
for file in sys.argv[1:]:
    plugin.include(Path(file))
print(*sys.modules)
"""
MARK = "llmbench_impl"
"""The attribute by which `hookimpl` marks a function."""


def findings(source: Plugin, items: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """What its module shows; `items` is what it registers, by hook and id."""
    about = "it is imported, and registers what it must"
    if source.broken:
        yield Finding(source.name, about, f"It is left out ({source.broken}): repair it.")
        return
    empty = None if any(items.values()) else "It registers nothing: implement one of the hooks."
    yield Finding(source.name, about, empty)
    yield Finding(source.name, "every hook is marked and spelt as llmbench calls it", hooks(source))
    yield Finding(source.name, "every method is spelt as llmbench calls it", methods(items))
    yield Finding(source.name, "the command line imports no torch because of it", heavy(source))


def hooks(source: Plugin) -> str | None:
    """A sentence about a function that looks like a hook, and would never be called."""
    for name, value in vars(module_of(source)).items():
        if not inspect.isfunction(value) or hasattr(value, MARK) or name.startswith("_"):
            continue
        meant = difflib.get_close_matches(name, KINDS, 1, ALIKE)
        if name in KINDS:
            return f"'{name}' is never called: put @hookimpl above it."
        if meant:
            return f"'{name}' is no hook: call it '{meant[0]}', with @hookimpl above it."
    return None


def methods(items: dict[str, dict[str, Any]]) -> str | None:
    """A sentence about an attribute whose name is nearly one that llmbench looks at."""
    for hook, registered in items.items():
        base = KINDS[hook]
        known = [name for name in dir(base) if not name.startswith("_")]
        for id, item in registered.items():
            for name in own_names(item if isinstance(item, type) else type(item), base):
                meant = difflib.get_close_matches(name, known, 1, ALIKE)
                if meant:
                    return (
                        f"'{id}' has '{name}', which nothing calls: call it '{meant[0]}' "
                        "if it is meant to be that, or by a name less alike."
                    )
    return None


def own_names(kind: type, base: type) -> Iterator[str]:
    """The public names that a class adds to those of its base, but for options."""
    known = {*dir(base), *getattr(kind, "model_fields", ())}
    for one in kind.__mro__:
        if one not in base.__mro__:
            yield from (name for name in vars(one) if name[0] != "_" and name not in known)


def heavy(source: Plugin) -> str | None:
    """A sentence about what the plugin imports that only a worker may; asked of a new process."""
    files = [str(source.file)] if source.file else []
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *files],
        env={
            **os.environ,
            CHOICE: "" if source.file else source.name,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return f"A new process cannot import it: {done.stderr.strip().splitlines()[-1]}"
    loaded = set(done.stdout.split())
    packages = [name for name in HEAVY if name in loaded]
    if not packages:
        return None
    return (
        f"It imports {', '.join(packages)} as it is loaded, which every command would wait for: "
        "import it inside the methods that a worker calls."
    )


def module_of(source: Plugin) -> Any:
    """The module that implements the hooks of a plugin that works."""
    if source.file is None:
        return next(iter(entry_points(group=GROUP, name=source.name))).load()
    path = str(source.file)
    return next(m for m in sys.modules.values() if getattr(m, "__file__", None) == path)


def items_of(source: Plugin) -> dict[str, dict[str, Any]]:
    """What a plugin registers, by hook and id."""
    return {
        hook: {
            name: entry.item
            for name, entry in catalogue.entries.items()
            if entry.source == source and name not in catalogue.taken
        }
        for hook, catalogue in plugin.registry().catalogues().items()
    }


@dataclass(frozen=True)
class Finding:
    """What was looked at, and what is wrong with it, if anything is."""

    plugin: str
    about: str
    """What is checked, in words: `the strategy 'mine' saves what it trained`."""
    problem: str | None = None
    """What is wrong and the way out, as a sentence; None where nothing is."""
    unchecked: str | None = None
    """Why it was not checked, as a sentence; None where it was."""

    @property
    def state(self) -> str:
        """`ok`, `problem` or `not checked`."""
        if self.problem:
            return "problem"
        return "not checked" if self.unchecked else "ok"
