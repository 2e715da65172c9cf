"""`--long` runs every fault as often as it is to be run, and writes `docs/faults.md`.

Without it, each fault is there once or so, for the ordinary suite.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from harness import Aftermath, Comparison

from llmbench.machine import collect

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
COUNTED = {
    "times": "times",
    "lost": "recorded cells lost",
    "unreadable": "unreadable records",
    "orphans": "orphans",
    "unrendered": "reports that did not render",
    "reruns": "second runs that did not do exactly what was missing",
}
LONGEST_SECONDS = 2 * 60 * 60
FOUND = pytest.StashKey[list[Aftermath]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="Every fault as often as it is to be run.")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FOUND] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long", default=False):
        for item in items:
            item.add_marker(pytest.mark.timeout(LONGEST_SECONDS))


@pytest.fixture
def often(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Chooses how often to run a fault: in the long suite, and in the ordinary one."""
    long = request.config.getoption("--long", default=False)
    return lambda many, few: many if long else few


@pytest.fixture
def aftermath(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Aftermath]]:
    """Makes the count of a fault, by its name in the table. In the end all of it must be 0."""
    made: list[Aftermath] = []

    def count(fault: str) -> Aftermath:
        made.append(Aftermath(fault))
        return made[-1]

    yield count
    request.config.stash[FOUND].extend(made)
    for one in made:
        assert one.times
        assert not any(one.harm), one


@pytest.fixture
def comparison(tmp_path: Path) -> Iterator[Callable[..., Comparison]]:
    """Makes comparisons, each in a folder of its own, and leaves no process of theirs."""
    made: list[Comparison] = []

    def make(*options: str) -> Comparison:
        made.append(Comparison(tmp_path / str(len(made)), *options))
        return made[-1]

    yield make
    for one in made:
        for process in one.workers():
            process.kill()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config, found = session.config, session.config.stash[FOUND]
    on_gpu = config.getoption("-m") == "gpu"
    chosen = {p for p in HERE.glob("test_*.py") if ("gpu" in p.name) == on_gpu}
    whole = chosen <= {item.path for item in session.items} and not config.getoption("-k")
    well = found and exitstatus == pytest.ExitCode.OK
    if config.getoption("--long", default=False) and whole and well:
        name = "faults-gpu.md" if on_gpu else "faults.md"
        DOCS.mkdir(exist_ok=True)
        (DOCS / name).write_text(page(found, config), "utf-8")


def page(found: list[Aftermath], config: pytest.Config) -> str:
    """What the suite found, as Markdown."""
    chosen = f" -m '{config.getoption('-m')}'" if config.getoption("-m") else ""
    where = collect("auto")
    versions = ", ".join(f"{n} {v}" for n, v in where.versions.items())
    lines = [
        "# What faults cost",
        "",
        "Written by the fault suite itself, on "
        f"{datetime.now(UTC).date().isoformat()}, with real processes and real signals:",
        "",
        "```sh",
        f"python -m pytest tests/fault --long{chosen}",
        "```",
        "",
        f"{where.device_name}; {platform.system()}, Python {sys.version.split()[0]}; {versions}.",
        "",
        "After each fault, every record that was said to be there is read, the report is rendered,",
        "the processes are looked for, and where there is something left to run, it is run again.",
        "",
        "| " + " | ".join(["fault", *COUNTED.values()]) + " |",
        "| --- |" + " ---: |" * len(COUNTED),
    ]
    for one in sorted(found, key=lambda a: a.fault):
        figures = [f"{getattr(one, name):,}" for name in COUNTED]
        lines.append("| " + " | ".join([one.fault, *figures]) + " |")
    notes = [note for one in found for note in one.notes]
    return "\n".join([*lines, *(["", *(f"- {n}" for n in notes)] if notes else []), ""])
