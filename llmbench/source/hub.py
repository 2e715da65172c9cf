"""Fetching from the hub, and whatever goes wrong with it in a sentence."""

from __future__ import annotations

import importlib
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmbench.errors import ModelError

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
        kind: [h for h in callbacks if not isinstance(getattr(h, "__self__", None), Patience)]
        for kind, callbacks in client.event_hooks.items()
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


TWICE = ["consolidated*", "original/*"]
"""The same weights once more, in their authors' own format."""


@dataclass(frozen=True)
class Repository:
    """A model on the hub, at a branch, a tag or a commit."""

    hub_id: str
    revision: str | None
    problem: Exception | None = None
    """Why the hub cannot be asked, so that only the cache is left."""

    def fetch(self, patterns: Sequence[str], again: bool = False) -> Path:
        """The folder of the files that the patterns name; its name is the commit's hash.

        With `again`, what is in the cache is fetched all the same. Raises ModelError.
        """
        import huggingface_hub as hub

        try:
            folder = hub.snapshot_download(
                self.hub_id,
                revision=self.revision,
                allow_patterns=list(patterns),
                ignore_patterns=TWICE,
                local_files_only=self.problem is not None,
                force_download=again,
            )
        except Exception as error:  # the hub's client raises what its network library raises
            partly = type(error).__name__ == "IncompleteSnapshotError"
            why = sentence(self.problem or error, self.revision, partly)
            raise ModelError(f"The model '{self.hub_id}' {why}") from None
        return Path(folder)


def find(hub_id: str, revision: str | None) -> Repository:
    """The repository, asked once: where it cannot be, or is refused, the cache may have it."""
    import huggingface_hub as hub

    begin()
    try:
        hub.HfApi().model_info(hub_id, revision=revision, timeout=REQUEST_SECONDS)
    except Exception as error:
        return Repository(hub_id, revision, error)
    return Repository(hub_id, revision)


def sentence(error: Exception, revision: str | None, partly: bool = False) -> str:
    """What went wrong and what to do, to follow the model's name.

    `partly` is whether the cache holds some of it.
    """
    from huggingface_hub import errors

    known: dict[type[Exception], str] = {
        Busy: f"is asked of a hub that is too busy (429): {error}.",
        errors.GatedRepoError: "is gated: ask for access on its hub page, then log in with "
        "'hf auth login'.",
        errors.RevisionNotFoundError: f"has no revision '{revision}': check --revision.",
        errors.RepositoryNotFoundError: "is not on the hub, or is private: check the name, or log "
        "in with 'hf auth login'.",
    }
    for kind, words in known.items():
        if isinstance(error, kind):
            return words
    status = _status(error) or _status(error.__cause__)
    if status in (401, 403):
        return f"is refused ({status}): log in with 'hf auth login', and a token that may read it."
    if status:
        return f"cannot be fetched, as the hub answers with {status}: try again later."
    if isinstance(error, ConnectionError) or "Connect" in type(error).__name__:
        extent = "only partly" if partly else "not"
        return (
            f"is {extent} in the cache and the hub cannot be reached: connect, name a local "
            "folder, or use --weights random with an alias."
        )
    return f"cannot be fetched ({_broken_off(error)}): run it again, what has come is kept."


def _status(error: BaseException | None) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _broken_off(error: Exception) -> str:
    if isinstance(error, Unanswered) or "Timeout" in type(error).__name__:
        return "the hub has stopped sending"
    if "Protocol" in type(error).__name__ or "Consistency check" in str(error):
        return "the connection was cut"
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
