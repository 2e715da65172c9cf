"""Text of the page: names set as code, and options that are not broken."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

OPTION = re.compile("(--[a-z][a-z-]*)")


def prose(text: str) -> Markup:
    """Text with what stands between backticks as code, and options in one piece."""
    pieces = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(breakable(piece)) if odd % 2 else _with_options(piece)
        for odd, piece in enumerate(pieces)
    )


def _with_options(text: str) -> Markup:
    """Text that is not broken behind the hyphens of an option, as browsers would."""
    whole = Markup('<span class="option">{}</span>')
    return Markup("").join(
        whole.format(piece) if odd % 2 else escape(piece)
        for odd, piece in enumerate(OPTION.split(text))
    )


def breakable(name: str | Markup) -> Markup:
    """A composition that may be broken behind its plus signs; markup stays as it is."""
    if isinstance(name, Markup):
        return name
    return Markup("+<wbr>").join(name.split("+"))
