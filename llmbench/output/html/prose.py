"""Text of the page: names set as code, and what is not to be broken."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

WHOLE = re.compile(r"(--[a-z][a-z-]*|\b[A-Z]{2,}-[A-Z0-9]\w*)")
"""Options, and names such as ROUGE-L."""
LONG = 18
"""Characters of a member up to which it stays in one piece."""
PART = re.compile(r"[^,(=_]*[,(=_]|[^,(=_]+")
"""Of a longer one: up to the sign behind which a line may end."""


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
    """A composition that may be broken where its parts end; markup stays as it is."""
    if isinstance(name, Markup):
        return name
    members = name.split("+")
    return Markup("+<wbr>").join(
        Markup("<wbr>").join(PART.findall(m)) if len(m) > LONG else m for m in members
    )
