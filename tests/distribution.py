"""Distributions for tests: modules with metadata and entry points, as pip leaves them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

QUICK = (
    *("--steps", "3", "--burn-in-steps", "1", "--batch-size", "2", "--seq-len", "96"),
    *("--eval-examples", "2", "--eval-batch-size", "2", "--max-new-tokens", "4"),
    *("--validation-examples", "0", "--no-tune", "--no-predict"),
)
"""Options of a comparison that is to go through every phase, and to find out nothing."""
IMPORTS = """
from llmbench import hookimpl
from llmbench.plugin.strategy import Strategy
"""
STRATEGY = """
class Mine(Strategy):
    id, summary, group = "{id}", "a strategy", "adaptation"
"""
REGISTER = """
@hookimpl
def register_strategies(register):
    register(Mine)
"""


def good(name: str) -> str:
    """The code of a plugin that offers a strategy of that name."""
    return IMPORTS + STRATEGY.format(id=name) + REGISTER


def install(folder: Path, name: str, code: str, value: str = "") -> None:
    """Put a module and its metadata into a folder; `value` for an odd entry point."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[llmbench]\n{name} = {value or module}\n")


def install_project(site: Path, project: Path) -> None:
    """Put a project's package and its metadata into a folder, as its pyproject.toml has them."""
    declared = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    told, wheel = declared["project"], declared["tool"]["hatch"]["build"]["targets"]["wheel"]
    for package in wheel["packages"]:
        shutil.copytree(project / package, site / package)
    info = site / f"{told['name'].replace('-', '_')}-{told['version']}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n"
    (info / "METADATA").write_text(metadata)
    points = told["entry-points"]["llmbench"].items()
    (info / "entry_points.txt").write_text(
        "[llmbench]\n" + "".join(f"{name} = {value}\n" for name, value in points)
    )


def llmbench(
    folder: Path, *args: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with what is in the folder installed."""
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "llmbench", *args],
        cwd=cwd or folder,
        # tox has its tests offline, and a test that has a hub of its own wants it asked.
        env={**os.environ, "HF_HUB_OFFLINE": "0", "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )
