"""The effect of one part in words: what it is called, where it was seen, what it changes."""

from __future__ import annotations

from llmbench.format import size
from llmbench.judge.attribution import Effect, Part
from llmbench.report import words
from llmbench.report.table import Value
from llmbench.statistics.interval import Interval
from llmbench.statistics.verdict import Verdict


def name(part: Part) -> str:
    """`` `lora` instead of `full` ``, set as code."""
    if part.instead_of:
        return f"{words.code(part.added)} instead of {words.code(part.instead_of)}"
    return words.code(part.added)


def where(effect: Effect) -> str:
    """`` on `lora` ``, or what stands beside an exchange."""
    if not effect.part.instead_of:
        return f"on {words.code(effect.before)}"
    return f"with {words.code(effect.rest)}" if effect.rest else "by itself"


def memory(effect: Effect) -> Value:
    """How much the peak grows, and by what share."""
    change = effect.memory
    details = [words.share(effect.memory_share), _sizes(change) if change.low < change.high else ""]
    return Value(signed_size(change.estimate), detail=" ".join(d for d in details if d))


def speed(effect: Effect) -> Value:
    """By what share the tokens per second grow."""
    if effect.speed_share is None:
        return Value("", absent="not measured")
    spread = _shares(effect.speed) if effect.speed else ""
    return Value(words.share(effect.speed_share), detail=spread)


def quality(effect: Effect) -> Value:
    """By how much the score grows."""
    if effect.quality is None:
        return Value("", absent="not measured")
    change = effect.quality.difference
    estimate, _, bounds = words.difference(change).partition(" ")
    return Value(estimate, detail=_judged(bounds, effect.quality))


def signed_size(value: float) -> str:
    """A change in bytes, with its sign: `+11.4 GiB`; `0` where there is none."""
    return f"{_sign(value)}{size(abs(value))}" if value else "0"


def _sizes(interval: Interval) -> str:
    return f"[{signed_size(interval.low)}, {signed_size(interval.high)}]"


def _shares(verdict: Verdict) -> str:
    low, high = words.share(verdict.difference.low), words.share(verdict.difference.high)
    return _judged(f"[{low.removesuffix(' %')}, {high}]" if low != high else "", verdict)


def _judged(bounds: str, verdict: Verdict) -> str:
    """The bounds, and what they amount to where that is not to be seen from them."""
    unclear = "" if verdict.word in ("better", "worse") else verdict.word
    return ", ".join(text for text in (bounds, unclear) if text)


def _sign(value: float) -> str:
    return "+" if value > 0 else words.MINUS
