"""A new plugin: a distribution of its own that installs, runs and has a test."""

from __future__ import annotations

import re
from pathlib import Path

from llmbench import plugin
from llmbench.errors import ConfigError

TEMPLATES = Path(__file__).parent / "templates"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
PREFIX = "llmbench-"
HOOKS = {
    "strategy": "register_strategies",
    "metric": "register_metrics",
    "task": "register_tasks",
    "model": "register_models",
    "exporter": "register_exporters",
    "probe": "register_probes",
    "listener": "register_listeners",
}
"""The kinds that there are templates of, and the hook that each goes through."""
TRIES = {
    "strategy": "llmbench compare --strategies lora,placeholder",
    "metric": "llmbench compare --metrics placeholder,rouge",
    "task": "llmbench compare --task placeholder",
    "model": "llmbench compare --model placeholder --weights random",
    "exporter": "llmbench report DIR --format placeholder",
    "probe": "llmbench compare --strategies lora",
    "listener": "llmbench compare --strategies lora",
}
"""The command that shows what a plugin of each kind does."""
COPIED = frozenset({".py", ".json", ".jsonl"})
"""Of a template's files, those that belong to the plugin; the rest is what Python leaves there."""


def create(name: str, kind: str, parent: Path) -> list[Path]:
    """Write the distribution `llmbench-NAME` into a folder of that name, and return its files.

    ConfigError for a name that cannot be, one that an installed plugin has, or a folder that is
    there.
    """
    short = name.removeprefix(PREFIX)
    if not NAME.fullmatch(short):
        raise ConfigError(
            f"A plugin cannot be called '{name}': take small letters and digits, "
            "joined with -, as in my-method."
        )
    entry = plugin.registry().catalogues()[HOOKS[kind]].entries.get(short)
    if entry:
        raise ConfigError(
            f"The {kind} '{short}' is {entry.source.distribution}'s: take another name."
        )
    folder = parent / f"{PREFIX}{short}"
    if folder.exists():
        raise ConfigError(f"'{folder}' is there already: take another name, or remove it.")
    return [_written(folder, path, text, short) for path, text in files(kind).items()]


def files(kind: str) -> dict[str, str]:
    """The files of a distribution by their paths, named `placeholder` in all places."""
    outer = {
        "pyproject.toml": TEMPLATES / "pyproject.toml.txt",
        "README.md": TEMPLATES / "README.md.txt",
        "tests/test_placeholder.py": TEMPLATES / "test_placeholder.py.txt",
    }
    inner = {
        f"llmbench_placeholder/{path.name}": path
        for path in sorted((TEMPLATES / kind).iterdir())
        if path.suffix in COPIED
    }
    texts = {name: path.read_text("utf-8") for name, path in {**outer, **inner}.items()}
    return {
        name: text.replace("{kind}", kind).replace("{command}", TRIES[kind])
        if name in outer
        else text
        for name, text in texts.items()
    }


def renamed(text: str, name: str) -> str:
    """The text with the name in place of `placeholder`, spelt as each place needs it."""
    module = name.replace("-", "_")
    camel = "".join(part.capitalize() for part in name.split("-"))
    spelt = {
        "llmbench_placeholder": f"llmbench_{module}",
        "test_placeholder": f"test_{module}",
        "placeholder_": f"{module}_",
        "PLACEHOLDER": module.upper(),
        "Placeholder": camel,
        "placeholder": name,
    }
    return re.sub("|".join(spelt), lambda match: spelt[match[0]], text)


def _written(folder: Path, path: str, text: str, name: str) -> Path:
    target = folder / renamed(path, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(renamed(text, name), "utf-8")
    return target
