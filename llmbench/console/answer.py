"""The answer at the end of a comparison, in characters that every terminal has."""

from __future__ import annotations

from llmbench.store import Comparison

PLAIN = str.maketrans({"`": None, "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "…": "..."})


def answered(comparison: Comparison) -> tuple[str, ...]:
    """The headline, and what is said under it; nothing of a comparison without equal batches."""
    # Here, since statistics take a while to import, and most of a session has no use for them.
    from llmbench.report.answer import answer
    from llmbench.report.standing import stand

    equal = comparison.equal
    if not equal.records:
        return ()
    found = answer(stand(equal))
    return tuple(plain(text) for text in (f"{found.whole}.", " ".join(found.sentences)))


def plain(text: str) -> str:
    """The text without backticks, and with signs of ASCII for those that are none."""
    return text.translate(PLAIN)
