"""The installation: configuration, room for reports, versions, plugins, strategies."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from llmbench import machine, plugin
from llmbench.config import composition
from llmbench.config.config import resolve
from llmbench.config.layers import layers
from llmbench.config.setup import GPU_PRECISION
from llmbench.doctor.finding import Finding, absent, ok, problem
from llmbench.errors import UserError
from llmbench.storage.place import copy_of, is_url
from llmbench.units import GIB, size

LEAST_DISK_BYTES = GIB
"""Records are small; what a cell saves, to measure its size, is as large as the model."""


def configuration() -> list[Finding]:
    """Whether files and variables can be read, and whether there is room where reports land."""
    try:
        resolved = resolve(layers(None, {}))
    except UserError as error:
        return [problem("configuration", str(error), "correct it"), disk(Path("reports"))]
    origins = sorted({o for o in resolved.origins.values() if o != "default"})
    text = f"from {', '.join(origins)}" if origins else "defaults alone"
    return [ok("configuration", text), disk(_folder(resolved.config.output))]


def _folder(output: str | None) -> Path:
    """Where a comparison is written on this machine."""
    return copy_of(output) if output and is_url(output) else Path(output or "reports")


def disk(folder: Path) -> Finding:
    """Whether there is room, and leave to write."""
    there = next(p for p in (folder.resolve(), *folder.resolve().parents) if p.exists())
    free = shutil.disk_usage(there).free
    text = f"{size(free)} free for {folder}"
    if not os.access(there, os.W_OK):
        return problem("disk", f"{folder} cannot be written", "name another with --output")
    if free < LEAST_DISK_BYTES:
        return problem("disk", text, "make room, or name another directory with --output")
    return ok("disk", text)


def requirements() -> list[Finding]:
    """Whether what is installed is what llmbench asks for."""
    from packaging.requirements import Requirement

    wrong = []
    for text in requires("llmbench") or ():
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate():
            continue
        try:
            installed = version(wanted.name)
        except PackageNotFoundError:
            wrong.append(problem(wanted.name, "is not installed", f"pip install '{wanted}'"))
            continue
        if not wanted.specifier.contains(installed, prereleases=True):
            said = f"{installed} is not {wanted.specifier}"
            wrong.append(problem(wanted.name, said, f"pip install '{wanted}'"))
    shown = ("transformers", "peft", "accelerate")
    versions = machine.package_versions()
    known = ", ".join(f"{name} {versions[name]}" for name in shown if name in versions)
    return wrong or [ok("versions", f"as llmbench wants them: {known}")]


def plugins() -> list[Finding]:
    """The plugins that are broken, and the ids that two of them claim."""
    registry, wrong = plugin.registry(), []
    for complaint in registry.complaints():
        sentence, _, fix = complaint.rpartition(": ")
        wrong.append(problem("plugin", sentence, fix.rstrip(".")))
    packages = sorted({s.distribution for s in registry.plugins})
    return wrong or [ok("plugins", f"{len(registry.plugins)} of {', '.join(packages)}")]


def strategies() -> list[Finding]:
    """Which strategies can run on this machine by their own word, with the default settings."""
    here = machine.collect()
    settings = resolve(
        [("", {"precision": GPU_PRECISION if here.device == "cuda" else None})]
    ).config.settings
    able, unable = [], []
    known = plugin.registry().strategies
    for name in known.entries:
        try:
            strategy = known.get(name)
            if any(option.is_required() for option in strategy.model_fields.values()):
                continue  # whether it can run depends on what it is given
            wanted = composition.read(name)
            outlook = wanted.outlook(settings, here)
            reason = outlook.broken or outlook.skip
        except UserError as error:
            reason = str(error)
        if reason:
            unable.append(absent(name, reason))
        else:
            able.append(name)
    return [ok("strategies", f"can run: {', '.join(able)}"), *unable]
