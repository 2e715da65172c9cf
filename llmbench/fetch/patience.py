"""An end to the hub client's patience: it would wait for minutes, or hours, without a word."""

from __future__ import annotations

import importlib
import os
import sys
from collections import Counter
from typing import Any

REQUEST_SECONDS = 10.0
"""How long a request may go without a byte, if no variable of the hub's client says more."""
STALL_SECONDS = 5
"""How long a download may; the client then takes it up where it stood, six times at most."""
MOST_TRIES = 3
"""Requests for the same thing in a row that are not answered."""


class Busy(Exception):
    """The hub asks to be left alone for a while; the text says for how long."""


class Unanswered(Exception):
    """The hub takes requests and does not answer them."""


class Patience:
    """Looks at each request and each answer of one conversation with the hub."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is how long any request may go without a byte."""
        self._seconds = seconds
        self._tries = Counter[tuple[str, str, str]]()

    def limit(self, request: Any) -> None:
        """Limit a request that has no limit, or a long one; Unanswered after enough of them."""
        given = request.extensions.get("timeout") or {}
        request.extensions["timeout"] = {
            part: min(given.get(part) or self._seconds, self._seconds)
            for part in ("connect", "read", "write", "pool")
        }
        key = _key(request)
        self._tries[key] += 1
        if self._tries[key] > MOST_TRIES:
            raise Unanswered("the hub does not answer")

    def heed(self, response: Any) -> None:
        """Busy where the hub is, instead of waiting for as long as it says, five times over."""
        del self._tries[_key(response.request)]
        if response.status_code == 429:
            given = response.headers.get("Retry-After", "")
            when = f"in {given} s" if given.isdigit() else "later"
            raise Busy(f"try again {when}, or log in")


def begin() -> None:
    """Begin a conversation: limits on every request, and no warnings beside our own sentence."""
    import huggingface_hub as hub
    from huggingface_hub import constants

    utils: Any = importlib.import_module("huggingface_hub.utils")
    utils.logging.set_verbosity_error()
    if not sys.stderr.isatty():
        utils.disable_progress_bars()
    if "HF_HUB_DOWNLOAD_TIMEOUT" not in os.environ:
        constants.HF_HUB_DOWNLOAD_TIMEOUT = STALL_SECONDS
    # Whoever has set a longer limit has a reason.
    given = (constants.HF_HUB_ETAG_TIMEOUT, constants.HF_HUB_DOWNLOAD_TIMEOUT)
    patience, client = Patience(max(REQUEST_SECONDS, *given)), _client(hub)
    hooks = {
        kind: [h for h in held if not isinstance(getattr(h, "__self__", None), Patience)]
        for kind, held in client.event_hooks.items()
    }
    client.event_hooks = {
        "request": [*hooks["request"], patience.limit],
        "response": [*hooks["response"], patience.heed],
    }


def _client(hub: Any) -> Any:
    return hub.get_session()


def _key(request: Any) -> tuple[str, str, str]:
    # A download that is taken up again asks for another range: that one has come on.
    return request.method, str(request.url), request.headers.get("Range", "")
