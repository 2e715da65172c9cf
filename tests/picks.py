"""The cases of the pick, which Python and the page's own script must both decide alike."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llmbench.analysis.pick import Candidate, Choice, Wish

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
IDS = [case["says"] for case in CASES]


def asked(case: dict[str, Any]) -> tuple[list[Candidate], Wish]:
    """The candidates of a case, and what is wished."""
    names = [cell["name"] for cell in case["cells"]]
    cells = [
        Candidate(
            cell["name"],
            cell["quality"],
            cell["memory"],
            speed=measured(cell, "speed"),
            time=measured(cell, "time"),
            tied=tuple(map(names.index, cell["tied"])) if "tied" in cell else None,
        )
        for cell in case["cells"]
    ]
    return cells, Wish(**case.get("wish", {}))


def measured(cell: dict[str, Any], name: str) -> tuple[float, float] | None:
    """A figure and its spread, where the case has them."""
    return (cell[name][0], cell[name][1]) if name in cell else None


def wanted(case: dict[str, Any]) -> dict[str, Any]:
    """What the case says must come out."""
    longer = case.get("longer")
    return {
        "pick": case["pick"],
        "by": case["by"],
        "equal": case["equal"],
        "tight": case.get("tight"),
        "longer": longer and round(longer, 6),
    }


def told(cells: list[Candidate], choice: Choice | dict[str, Any]) -> dict[str, Any]:
    """The same of what came out."""
    found = choice if isinstance(choice, dict) else asdict(choice)
    names = [cell.name for cell in cells]
    return {
        "pick": None if found["pick"] is None else names[found["pick"]],
        "by": found["by"],
        "equal": [names[i] for i in found["equal"]],
        "tight": None if found["tight"] is None else names[found["tight"]],
        "longer": found["longer"] and round(found["longer"], 6),
    }


def drawn(seed: int) -> tuple[list[Candidate], Wish]:
    """Candidates and a wish by chance, with gaps, ties and equal figures among them."""
    draw = random.Random(seed)
    count = draw.randint(1, 7)
    cells = [
        Candidate(
            name=f"{n}",
            quality=draw.choice([None, 0.3, 0.4, draw.random()]),
            memory=draw.choice([0, 5, 6, 10 * draw.random()]),
            speed=draw.choice([None, (100.0, 0.0), (draw.uniform(80, 120), draw.random() / 5)]),
            time=draw.choice([None, *[(draw.uniform(8, 12), draw.random() / 5)] * 4]),
            tied=draw.choice([None, *[tuple(i for i in range(count) if draw.random() < 0.6)] * 4]),
        )
        for n in range(count)
    ]
    wish = Wish(
        draw.choice(["quality", "quality", "memory", "speed"]),
        draw.choice([None, None, 5, 10 * draw.random()]),
        draw.choice([None, None, 0.3, draw.random()]),
    )
    return cells, wish
