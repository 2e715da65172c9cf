"""What a plugin did wrong, in words."""

from __future__ import annotations

import pluggy

from llmbench import redact
from llmbench.errors import PluginError, words


def reason(error: BaseException) -> str:
    """What a plugin did wrong, in one line."""
    lines = [line.strip() for line in words(error).splitlines() if line.strip()]
    if isinstance(error, pluggy.PluginValidationError) and lines:
        # Of several lines the last says what is wrong, and then in which file.
        said = redact.text(lines[-1].partition(" in plugin ")[0])
        return f"{said}: it may be made for another version of llmbench"
    name = "" if isinstance(error, PluginError) else type(error).__name__
    return redact.text(": ".join(filter(None, [name, *lines[:1]]))).rstrip(".")
