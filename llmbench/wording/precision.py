"""What weights, gradients and optimiser states are in, in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from llmbench import text
from llmbench.record.precision import PRECISIONS
from llmbench.record.record import Record

TYPES = {
    "master_weights": "updated in copies in",
    "gradients": "gradients",
    "optimizer_states": "optimiser states",
    "autocast": "matrix products",
}
"""What the worker saw besides the weights' own types, as it is said before a type."""
NOTHING = ("none", "off")
"""What the worker writes where there is no such thing."""


def precision(records: Sequence[Record]) -> str:
    """`bf16-master: weights bfloat16, updated in copies in float32, gradients float32, …`.

    Each as most trained compositions have it, and where it differs; empty where none trains.
    """
    trained = [r for r in records if r.cell.trains]
    if not trained:
        return ""
    asked = {r.cell.composition: r.cell.settings.precision for r in trained}
    seen = list(_clauses(trained))
    if not seen:  # nothing got so far as to tell
        seen = [PRECISIONS[trained[0].cell.settings.precision].summary]
    return text.clean(f"{_usual(asked)}: {', '.join(seen)}")


def _clauses(records: Sequence[Record]) -> Iterator[str]:
    weights, base = _types(records, "trained_weights"), _types(records, "base_weights")
    others = {c: kind for c, kind in base.items() if c in weights and kind != weights[c]}
    if weights:
        yield f"{'trained weights' if others else 'weights'} {_usual(weights)}"
    for name, label in TYPES.items():
        types = _types(records, name)
        if set(types.values()) - set(NOTHING):
            yield f"{label} {_usual(types)}"
    if others:
        everywhere = len(others) == len(weights)
        kinds = _usual(others) if everywhere else text.listed(list(_by_type(others)))
        yield f"base weights {kinds}"


def _types(records: Sequence[Record], name: str) -> dict[str, str]:
    """What the compositions have, as far as it is known: several types are `a and b`."""
    return {
        r.cell.composition: text.listed(r.effective[name].split(", "))
        for r in records
        if r.effective.get(name)
    }


def _usual(types: Mapping[str, str]) -> str:
    """What most have, then what others do: `float32 (uint8 in qlora)`."""
    usual = Counter(types.values()).most_common(1)[0][0]
    others = list(_by_type({c: kind for c, kind in types.items() if kind != usual}))
    if usual in NOTHING:
        return text.listed(others)
    return f"{usual} ({', '.join(others)})" if others else usual


def _by_type(types: Mapping[str, str]) -> Iterator[str]:
    """`nf4 in lora+4-bit and qlora` for each kind."""
    for kind in dict.fromkeys(types.values()):
        yield f"{kind} in {text.listed([c for c, other in types.items() if other == kind])}"
