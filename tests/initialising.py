"""A stand-in for a package that initialises CUDA when it is imported, as far as torch knows."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = "unsloth"
CODE = "import torch\ntorch.cuda._initialized = True\n"
PULLS_IT_IN = """
import sys

class First:
    def find_spec(self, name, path=None, target=None):
        if name == "transformers":
            sys.meta_path.remove(self)
            import unsloth

sys.meta_path.insert(0, First())
"""
"""What Python runs as it starts: importing transformers is to import that package, too."""


def site(folder: Path) -> str:
    """Put it into the folder; returns the `PYTHONPATH` with which it is imported."""
    folder.mkdir()
    (folder / f"{PACKAGE}.py").write_text(CODE)
    (folder / "sitecustomize.py").write_text(PULLS_IT_IN)
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
