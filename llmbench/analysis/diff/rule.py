"""What must not happen between two comparisons: `peak_memory>+5%`, `rougeL<-0.02`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from llmbench.analysis.diff.change import JUDGED, SIGNIFICANT, Change, figures
from llmbench.analysis.diff.compare import CellDiff, Diff
from llmbench.errors import ConfigError, nearest
from llmbench.plugin.scoring import meaning

SHORT = {
    "peak_memory": "peak_memory_bytes",
    "memory": "peak_memory_bytes",
    "speed": "train_tokens_per_second",
    "generation_speed": "generate_tokens_per_second",
    "trainable": "trainable_parameters",
    "artifact": "artifact_bytes",
}
"""Short names of figures."""
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
UNITS = {"": 1.0, "%": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
RULE = re.compile(
    r"\s*(?P<figure>[^\s<>=]+)\s*(?P<operator>[<>]=?)\s*"
    r"(?P<amount>[+-]\s*(?:\d+\.?\d*|\.\d+)|0)\s*(?P<unit>%|[KMG]iB)?\s*"
)


@dataclass(frozen=True)
class Rule:
    """A bound on how a figure may change: on its growth in percent, or in its own unit."""

    text: str
    figure_id: str
    holds: Callable[[float, float], bool]
    bound: float
    in_percent: bool

    def breaks(self, change: Change) -> bool:
        """Whether the change is beyond the bound, and more than chance as far as can be known."""
        if change.word not in SIGNIFICANT | {"spread unknown"}:
            return False
        return self.holds(change.percent if self.in_percent else change.absolute, self.bound)


@dataclass(frozen=True)
class Outcome:
    """What a rule says of a diff."""

    rule: Rule
    broken_by: tuple[tuple[CellDiff, Change], ...]
    unjudged: tuple[str, ...]
    """Cells whose figure could not be held against the old one."""
    judged: int
    """In how many cells it could."""
    blind: bool
    """Whether the old comparison has the figure, and it could be judged nowhere."""


def read(text: str, known: Iterable[str]) -> Rule:
    """Read a rule; ConfigError, with the nearest figures, where it is none."""
    match = RULE.fullmatch(text)
    if not match:
        raise ConfigError(
            f"--fail-if '{text}' is no bound: write a figure, < or >, and the change with its "
            "sign, as in 'peak_memory>+5%' or 'rougeL<-0.02'."
        )
    names = set(known)
    name, unit = match["figure"], match["unit"] or ""
    figure_id = SHORT.get(name, name)
    if figure_id not in names:
        raise ConfigError(f"Unknown figure '{name}': {nearest(name, {*names, *SHORT})}")
    if unit.endswith("iB") and not figure_id.endswith("_bytes"):
        raise ConfigError(f"--fail-if '{text}' counts bytes, and '{name}' does not.")
    bound = float(match["amount"].replace(" ", "")) * UNITS[unit]
    return Rule(text.strip(), figure_id, OPERATORS[match["operator"]], bound, unit == "%")


def known_figures(diff: Diff) -> list[str]:
    """Ids of the figures that a rule on this diff may name."""
    records = [r for c in diff.cells for r in c.pair.records]
    asked = (
        m.id
        for text in dict.fromkeys(t for r in records for t in r.cell.metrics)
        for m in meaning(text)
    )
    return list(dict.fromkeys([*figures(records), *asked]))


def judge(rules: Sequence[Rule], diff: Diff) -> list[Outcome]:
    """What each rule says of the diff."""
    return [_outcome(rule, diff) for rule in rules]


def _outcome(rule: Rule, diff: Diff) -> Outcome:
    concerned = [(c, h) for c in diff.cells for h in c.changes if h.figure.id == rule.figure_id]
    well = [(c, h) for c, h in concerned if not c.broken]  # a broken cell is a failure as it is
    unjudged = [c.name for c, h in well if h.word not in JUDGED]
    measured = any(h.old is not None for _, h in well)
    return Outcome(
        rule=rule,
        broken_by=tuple((c, h) for c, h in concerned if rule.breaks(h)),
        unjudged=tuple(unjudged),
        judged=len(well) - len(unjudged),
        blind=measured and len(unjudged) == len(well),
    )
