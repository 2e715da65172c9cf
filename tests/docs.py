"""Writes the parts of the documents that the code knows best: `python tests/docs.py`.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`. `tests/test_docs.py` fails
where a part is not what the code says.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import plugin_pages
from click.testing import CliRunner
from pydantic import BaseModel

from llmbench.cli import cli
from llmbench.config import setup
from llmbench.config.composition import read
from llmbench.plugin import named, registry
from llmbench.plugin.catalogue import Registry

QUOTE = '"'
ROOT = Path(__file__).parents[1]
GENERATED = (ROOT / "README.md", ROOT / "docs" / "reference.md")
"""Documents with generated parts."""
PART = re.compile(
    r"(<!-- generated: (?P<name>[\w -]+) -->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL
)


def updated(text: str, installed: Registry) -> str:
    """The text with every generated part made anew."""
    return PART.sub(lambda m: f"{m[1]}{part(m['name'], installed)}{m[4]}", text)


def part(name: str, installed: Registry) -> str:
    """One generated part."""
    if name.startswith("help"):
        return help_block(name.split()[1:])
    made = {"strategies": strategies, "tasks": tasks, "metrics": metrics, "models": models}
    return made[name](installed)


def strategies(installed: Registry) -> str:
    """Each strategy, what it does, what it is alone, and its options; those of `all` first."""
    rows = []
    known = sorted(installed.strategies.items().items(), key=lambda item: not item[1].in_all)
    for name, strategy in known:
        needy = any(field.is_required() for field in strategy.model_fields.values())
        alone = name if name == setup.BASE or needy else read(name).id
        rows.append((f"`{name}`", strategy.summary, f"`{alone}`", options(strategy)))
    return table(("id", "what it does", "used alone, it means", "options"), rows)


def options(declared: type[BaseModel]) -> str:
    """Each option with its default; one without is just named."""
    return ", ".join(
        f"`{name}`"
        if field.is_required() or field.default == ""
        else f"`{name}={json.dumps(field.default).strip(QUOTE)}`"
        for name, field in declared.model_fields.items()
    )


def tasks(installed: Registry) -> str:
    """Each task, what it is scored by, and its options."""
    rows = [
        (f"`{name}`", t.summary, ", ".join(f"`{m}`" for m in t.metrics), options(named.options(t)))
        for name, t in installed.tasks.items().items()
    ]
    return table(("id", "what is learnt", "metrics", "options"), rows)


def metrics(installed: Registry) -> str:
    """Each metric and what it gives."""
    rows = [(f"`{name}`", m.summary) for name, m in installed.metrics.items().items()]
    return table(("id", "what it gives"), rows)


def models(installed: Registry) -> str:
    """Each alias and where its weights come from."""
    rows = [
        (
            f"`{name}`",
            m.summary,
            f"`{m.hub_id}`" if m.hub_id else "in the package" if m.ships_weights else "none",
        )
        for name, m in installed.models.items().items()
    ]
    return table(("alias", "what it is", "weights"), rows)


def help_block(words: list[str]) -> str:
    """The help of a command, as it is printed."""
    shown = CliRunner().invoke(cli, [*words, "--help"], prog_name="llmbench", terminal_width=90)
    return f"```\n{shown.output}```\n"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    for document in GENERATED:
        document.write_text(updated(document.read_text("utf-8"), registry()), "utf-8")
    plugin_pages.write()
