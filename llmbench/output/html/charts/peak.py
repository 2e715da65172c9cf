"""The chart of what peaks are made of: stacked bars, measured and predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmbench import text
from llmbench.analysis.standing import Standing
from llmbench.output.html.charts import canvas
from llmbench.output.html.charts.canvas import (
    Chart,
    Scale,
    bytes_unit,
    chart,
    chosen,
    left_out,
    unique,
)
from llmbench.record.arm import Arm
from llmbench.text import size
from llmbench.wording import peak, phrases
from llmbench.wording.peak import PARTS, Peak

ROOM = 1.14
"""How much longer the axis is than the longest bar, for what stands at its end."""


def peak_stacks(standing: Standing, pick: Arm | None) -> Chart | None:
    """The chart; None where nothing is known of any peak."""
    known = {arm: found for arm in standing.arms if (found := tuple(peak.peaks(arm)))}
    if not known:
        return None
    preferred = [*([pick] if pick else []), *standing.level(), *standing.competing]
    shown = chosen(tuple(known), preferred)
    names = dict(zip(shown, unique([standing.names[arm.id] for arm in shown]), strict=True))
    drawn = [found for arm in shown for found in known[arm]]
    end = ROOM * max(found.total_bytes for found in drawn)
    unit, factor = bytes_unit(end / ROOM)
    return chart(
        "peak",
        "What the peak is made of",
        "Stacked bars of what memory was used for at the peak of the train phase, of "
        f"{text.plural(len(shown), phrases.row(standing))}.",
        _caption(drawn, standing) + left_out(tuple(known), shown),
        (["Cell", *peak.HEADER], [_row(p, standing) for held in known.values() for p in held]),
        lambda: canvas.stacks(
            [v for p in drawn for v in _segments(p, names[p.arm], factor, standing)],
            [_label(known[arm], name, factor) for arm, name in names.items()],
            _limit(shown, end, factor),
            list(names.values()),
            tuple(PARTS.values()),
            Scale(unit, 0, end / factor),
        ),
    )


def _segments(found: Peak, name: str, factor: float, standing: Standing) -> Iterator[canvas.Datum]:
    """A rectangle for each part that there is, each where the one before it ends."""
    whose = _name(name, found)
    start, whole = 0.0, size(found.total_bytes)
    for label, held in zip(PARTS.values(), found.parts, strict=True):
        if held:
            yield {
                "name": name,
                "part": label,
                "thin": found.predicted,
                "x": start / factor,
                "end": (start + held) / factor,
                "says": f"[{standing.numbers[found.arm.id]}] {whose}: {label} {size(held)} "
                f"of {whole}",
            }
        start += held


def _label(found: Sequence[Peak], name: str, factor: float) -> canvas.Datum:
    """What stands at the end of a row: the measured peak, where there is one."""
    first, end = found[0], max(p.total_bytes for p in found)
    predicted = " predicted" if first.predicted else ""
    return {"name": name, "x": end / factor, "text": f"{size(first.total_bytes)}{predicted}"}


def _limit(shown: Sequence[Arm], end: float, factor: float) -> canvas.Data:
    """How much memory the device has, if it is the same for all and lies on the axis."""
    devices = {a.environment.device_memory_bytes for a in shown if a.environment}
    held = devices.pop() if len(devices) == 1 else end
    return [{"x": held / factor, "text": f"the device has {size(held)}"}] if held < end else []


def _caption(drawn: Sequence[Peak], standing: Standing) -> str:
    sentences = []
    if not all(found.predicted for found in drawn):
        sentences.append(
            "What tensors were held for at the moment of the train phase's peak, from the history "
            "of torch's allocator."
        )
    if any(found.predicted for found in drawn):
        sentences.append("Thin bars: as it was predicted from shapes alone, before anything ran.")
    return " ".join([*sentences, *peak.outside(standing)])


def _row(found: Peak, standing: Standing) -> list[str]:
    return [_name(standing.names[found.arm.id], found), *found.texts]


def _name(name: str, found: Peak) -> str:
    return f"{name}, predicted" if found.predicted else name
