"""Writes docs/plugins/, a page for each hook, from docstrings and examples that tests run.

`python tests/docs.py` calls it. `tests/test_plugin_pages.py` fails where a page is not what the
code says, and where a hook or something that a plugin declares has no word of explanation.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from llmbench.plugin import hookspecs
from llmbench.plugin.metric import Score
from llmbench.plugin.shape import CLASSES, KINDS
from llmbench.plugin.task import Example
from llmbench.record import events
from llmbench.record.comparison import Comparison
from llmbench.record.measure import Measure
from llmbench.record.record import Cell, PhaseRecord, Record, Step
from llmbench.record.record import Example as Answer
from llmbench.testing.new import HOOKS, TRIES, files, renamed

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "plugins"
MADE = "<!-- generated from docstrings and examples: python tests/docs.py -->\n"
WANTS = {
    "a metric that ranks": "examples/similarity.py",
    "perplexity": "llmbench_metrics/perplexity.py",
    "a chat-template task": "examples/chat_summary.py",
    "classification by the labels' likelihood": "examples/weather.py",
    "packing": "llmbench_fast/packing.py",
    "a training loop of one's own": "examples/hf_trainer.py",
    "a learning-rate schedule": "examples/wsd.py",
    "fp16": "examples/fp16.py",
    "a Parquet exporter": "examples/parquet.py",
    "live tracking, offline": "examples/wandb_lines.py",
    "a section of the report": "examples/slowest_steps.py",
    "a launcher": "examples/niced.py",
    "a command": "examples/best.py",
    "a probe whose figures are columns": "examples/stalls.py",
    "a model with defaults": "examples/short_smollm.py",
    "a loss computed in one's own way": "examples/chunked_loss.py",
    "a model loaded in one's own way": "examples/fused_norms.py",
    "an exporter of a folder": "examples/predictions_folder.py",
}
"""What people want to bring, and the module under plugins/ that does it in 60 lines at most."""
SHIPPED = {
    "register_launchers": "llmbench/workers/spawn.py",
    "register_sections": "plugins/examples/slowest_steps.py",
    "register_commands": "plugins/examples/best.py",
}
"""An example of a hook that there is no template for."""


TRIAL = Path(__file__).with_name("plugin_trial.md")
"""What it took somebody to write some, who had these pages alone."""
GIVEN: dict[str, tuple[type, ...]] = {
    "register_metrics": (Measure, Score),
    "register_tasks": (Example,),
}
"""What the methods of a hook return or take that its plugin makes itself."""
READ: tuple[type, ...] = (Comparison, Record, Cell, Step, PhaseRecord, Answer)
"""What exporters, sections and listeners read, from the outside in."""
READERS = ("register_exporters", "register_sections", "register_listeners")
HEARD: tuple[type, ...] = (
    events.PhaseBegun,
    events.StepTaken,
    events.LossValidated,
    events.Generated,
)
"""What listeners hear of a cell's worker."""


@dataclass(frozen=True)
class Part:
    """An attribute or a method of a base class, as its source has it."""

    text: str
    explained: str
    required: bool = False


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    made = {f"{short(hook)}.md": page(hook) for hook in KINDS}
    rows = [
        f"| [`{hook}`]({short(hook)}.md) | {first(document(hook))} |\n"
        for hook in KINDS
    ]  # fmt: skip
    index = (
        "# The hooks of plugins\n\n"
        "How to start one: [plugins/README.md](../../plugins/README.md).\n\n"
        "| hook | what it is for |\n| --- | --- |\n"
        + "".join(rows)
        + f"\n{examples()}\n{TRIAL.read_text('utf-8')}"
    )
    return {"README.md": MADE + index, "records.md": records(), **made}


def records() -> str:
    """What a comparison holds, for those who read it, and what is heard while it runs."""
    intro = (
        "# What a comparison holds\n\n"
        "[Exporters](exporters.md) and [sections](sections.md) are given a `Comparison`; "
        "[listeners](listeners.md) are given it as it ends, each `Record` as its cell does, and\n"
        "events before that. `comparison.reported.planned` has the records of the results.\n"
        "A figure that is None was not measured, and a loss that is None was no number:\n"
        "neither is 0. Runs that only try a learning rate or repeat a timing are not among them.\n"
    )
    shown = [described(kind) for kind in READ]
    heard = [described(kind) for kind in HEARD]
    return (
        "\n".join([MADE + intro, *shown, "# What is heard while it runs\n", *heard]).rstrip() + "\n"
    )


def described(kind: type) -> str:
    """One class that a plugin meets: where it is, what it is, and what it has."""
    attributes, methods = parts(kind)
    told = plain(inspect.getdoc(kind) or "") if kind.__doc__ else ""
    head = f"## `{kind.__name__}`\n\n`{kind.__module__}.{kind.__name__}`"
    head += f": {told}" if told else ""
    has = (
        [replace(part, required=False) for part in attributes]
        if kind in (*READ, *HEARD)
        else attributes
    )
    return f"{head}\n\n{items([*has, *methods])}\n"


def examples() -> str:
    """Every want with the module that meets it, and the first line of what that says of itself."""
    link = "[`{0}`](../../plugins/{1})"
    rows = [
        f"| {want} | {link.format(Path(name).name, name)} | {told(ROOT / 'plugins' / name)} |\n"
        for want, name in WANTS.items()
    ]
    return (
        "## Examples\n\n"
        "Each is one module of at most 60 lines, which tests run. `--plugin` takes it as it is:\n"
        "`llmbench compare --plugin plugins/examples/wsd.py --strategies full,full+wsd`.\n\n"
        "| to bring | module | what it does |\n| --- | --- | --- |\n" + "".join(rows)
    )


def told(path: Path) -> str:
    """The first paragraph of a module's docstring, in one line."""
    said = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return plain(said.partition("\n\n")[0])


def page(hook: str) -> str:
    """One hook: what it registers, what that declares, what it does, and an example."""
    base = KINDS[hook]
    how = "a class" if base in CLASSES else "an instance"
    attributes, methods = parts(base)
    blocks = [
        f"{MADE}# `{hook}`\n",
        plain(document(hook)),
        f"It takes {how} of `{base.__module__}.{base.__name__}`:",
        plain(inspect.getdoc(base) or ""),
        listed("What it declares", attributes),
        listed("What it does", methods),
        *(described(kind) for kind in GIVEN.get(hook, ())),
        "What can be read of it: [records.md](records.md)." if hook in READERS else "",
        example(hook),
    ]
    return "\n\n".join(block.strip() for block in blocks if block) + "\n"


def document(hook: str) -> str:
    """What the list of hooks says of one."""
    return inspect.getdoc(getattr(hookspecs, hook)) or ""


def short(hook: str) -> str:
    """`strategies` of `register_strategies`."""
    return hook.removeprefix("register_")


def plain(text: str) -> str:
    """A docstring as Markdown, its lines joined within paragraphs."""
    return "\n\n".join(" ".join(block.split()) for block in re.split(r"\n\s*\n", text.strip()))


def first(text: str) -> str:
    """Its first sentence, up to its example."""
    return plain(text).partition(": `")[0].rstrip(".") + "."


def listed(title: str, found: list[Part]) -> str:
    """A heading with every part below it."""
    if not found:
        return ""
    return f"## {title}\n\n{items(found)}"


def items(found: list[Part]) -> str:
    """A line for each part, with what is said of it."""
    return "\n".join(
        f"- `{part.text}`{' (required)' if part.required else ''}"
        + (": " + plain(part.explained).replace("\n\n", "\n\n  ") if part.explained.strip() else "")
        for part in found
    )


def example(hook: str) -> str:
    """A plugin that works, and the command that shows it."""
    kind = next((kind for kind, named in HOOKS.items() if named == hook), None)
    if kind is None:
        return f"## Example\n\n[{SHIPPED[hook]}](../../{SHIPPED[hook]}) is the shortest one."
    code = renamed(files(kind)["llmbench_placeholder/__init__.py"], "mine")
    return (
        f"## Example\n\n`llmbench plugins new mine --kind {kind}` writes this one, and\n"
        f"`{renamed(TRIES[kind], 'mine')}` shows it:\n\n```python\n{code}```"
    )


def parts(base: type) -> tuple[list[Part], list[Part]]:
    """The public attributes and methods of a base class, in the order of its source."""
    tree = ast.parse(Path(inspect.getsourcefile(base) or "").read_text("utf-8"))
    body = next(
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == base.__name__
    )
    return list(_attributes(body)), list(_methods(body))


def _attributes(body: list[ast.stmt]) -> Iterator[Part]:
    for node, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        said = after.value.value if _is_text(after) else ""  # type: ignore[attr-defined]
        yield Part(ast.unparse(node), str(said), required=node.value is None)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _methods(body: list[ast.stmt]) -> Iterator[Part]:
    for node in body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        marks = {ast.unparse(mark) for mark in node.decorator_list}
        given = f"({ast.unparse(node.args)})" if "property" not in marks else ""
        result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        text = f"{node.name}{given}{result}"
        yield Part(text, ast.get_docstring(node) or "", required="abstractmethod" in marks)


def write() -> None:
    """Write every page, and remove those of hooks that are gone."""
    PAGES.mkdir(exist_ok=True)
    made = pages()
    for path in PAGES.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (PAGES / name).write_text(text, "utf-8")
