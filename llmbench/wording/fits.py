"""What a forecast comes to: which compositions fit, and how to make one fit where none does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from llmbench.estimate.forecast import OUTSIDE_BYTES, Forecast, Prediction, saving
from llmbench.units import size

MOST_NAMED = 4


def verdict(forecast: Forecast) -> str | None:
    """The answer in a few sentences; None where the GPU's memory is not known."""
    judged = [r for r in forecast.rows if r.fits]
    if not judged:
        return None
    settings = forecast.setup.config.settings
    batch = f"{settings.batch_size} x {settings.seq_len:,} tokens"
    return " ".join(_sentences(forecast, judged, batch))


def _sentences(forecast: Forecast, judged: Sequence[Prediction], batch: str) -> Iterator[str]:
    asked = [r for r in judged if r.cell.composition not in forecast.added]
    fitting = [r for r in asked if r.fits != "no"]
    if fitting:
        yield f"With {batch}, these fit: {_named(fitting, _need)}."
    else:
        yield f"Nothing that was asked for fits with {batch}."
        added = [r for r in judged if r.cell.composition in forecast.added and r.fits != "no"]
        if added:
            yield f"With {saving()} added, these do: {_named(added, _need)}."
    smaller = [r for r in asked if r.fits == "no" and r.estimate.largest_batch_size]
    if smaller:
        yield f"With a smaller --batch-size: {_named(smaller, _most)}."
    elif not fitting:
        yield "Try a smaller --seq-len, or a smaller model."


def _named(rows: Sequence[Prediction], what: Callable[[Prediction], str]) -> str:
    """The rows that need least first, each with a fact in parentheses."""
    ranked = sorted(rows, key=lambda r: r.peak_bytes or 0)
    shown = [f"{r.cell.composition} ({what(r)})" for r in ranked[:MOST_NAMED]]
    more = len(ranked) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _need(row: Prediction) -> str:
    tight = ", tight" if row.fits == "tight" else ""
    return f"{size((row.peak_bytes or 0) + OUTSIDE_BYTES)}{tight}"


def _most(row: Prediction) -> str:
    return f"up to {row.estimate.largest_batch_size}"
