"""The rooms of docs/architecture.md, and which of them may import which."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "llmbench"
GROUND = ("errors", "units", "text", "files", "machine", "process")
ROOMS = (
    *("record", "redact", "plugin", "source", "config", "storage", "analysis", "workers"),
    *("estimate", "wording", "worker", "run", "output", "doctor", "testing", "command"),
)
"""The lowest first: a room imports itself, those before it, and the ground."""
ABOVE = ("cli", "__main__")
MODULES = {
    ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p
    for p in PACKAGE.rglob("*.py")
}


def imports(name: str) -> Iterator[str]:
    """The modules of the package that a module imports, those for types alone as well."""
    nodes: list[ast.AST] = [ast.parse(MODULES[name].read_text("utf-8"))]
    while nodes:
        node = nodes.pop()
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom) and node.module and node.module in MODULES:
            whole = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (w if w in MODULES else node.module for w in whole)


def level(name: str) -> int:
    """How high the room of a module is."""
    room = name.split(".")[1] if "." in name else ""
    if room in ROOMS:
        return 1 + ROOMS.index(room)
    return 1 + len(ROOMS) if room in ABOVE else 0


def test_every_module_is_in_a_room_or_on_the_ground():
    found = {name.split(".")[1] for name in MODULES if "." in name}
    assert found == {*GROUND, *ROOMS, *ABOVE}


def test_no_room_imports_one_that_is_above_it():
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        for other in imports(name)
        if level(other) > level(name) and other != "llmbench"
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: set(imports(name)) - {name} for name in MODULES}
    left = dict(graph)
    while ends := [name for name, others in left.items() if not others & left.keys()]:
        for name in ends:
            del left[name]
    assert left.keys() == set()


def test_a_worker_loads_none_of_the_rooms_of_the_parent():
    code = """
import sys
from llmbench.worker import cell
from llmbench import plugin
plugin.registry()
print(sorted({m.split(".")[1] for m in sys.modules if m.startswith("llmbench.")}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(done.stdout.splitlines()[-1]))
    assert "worker" in loaded
    assert loaded.isdisjoint(
        {
            "config",
            "storage",
            "analysis",
            "estimate",
            "wording",
            "run",
            "output",
            "testing",
            "command",
        }
    )


def test_the_picture_names_every_room_in_its_order():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)/?` \|", text, flags=re.M)
    assert rows == [*GROUND, *ROOMS]
