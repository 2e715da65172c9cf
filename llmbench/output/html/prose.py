"""Text of the page: names set as code, and what is not to be broken."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

WHOLE = re.compile(r"(--[a-z][a-z-]*|\b[A-Z]{2,}-[A-Z0-9]\w*)")
"""Options, and names such as ROUGE-L."""


def prose(text: str) -> Markup:
    """Text with what stands between backticks as code, and options in one piece."""
    pieces = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(breakable(piece)) if odd % 2 else whole(piece)
        for odd, piece in enumerate(pieces)
    )


def whole(text: str) -> Markup:
    """Text that is not broken behind the hyphens of an option or a name, as browsers would."""
    kept = Markup('<span class="option">{}</span>')
    return Markup("").join(
        kept.format(piece) if odd % 2 else escape(piece)
        for odd, piece in enumerate(WHOLE.split(text))
    )


def breakable(name: str | Markup) -> Markup:
    """A composition that may be broken behind its plus signs; markup stays as it is."""
    if isinstance(name, Markup):
        return name
    return Markup("+<wbr>").join(name.split("+"))
