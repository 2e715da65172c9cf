"""The hub: whether it can be reached, and whether a token is set. The token is never shown."""

from __future__ import annotations

import urllib.error
import urllib.request
from urllib.parse import urlsplit

from llmbench.doctor.finding import Finding, absent, ok

PATIENCE_SECONDS = 3.0
WITHOUT = "models in the cache, folders and --weights random work"


def findings() -> list[Finding]:
    """Reachability and token."""
    from huggingface_hub import constants, get_token

    token = (
        ok("token", "is set")
        if get_token()
        else absent("token", "is not set: gated models need one", "hf auth login")
    )
    return [reach(constants.ENDPOINT, constants.HF_HUB_OFFLINE), token]


def reach(endpoint: str, offline: bool) -> Finding:
    """Whether anybody answers there; any answer will do, be it a refusal."""
    name = urlsplit(endpoint).hostname or endpoint
    if offline:
        return absent("hub", f"HF_HUB_OFFLINE is set: {WITHOUT}", "unset HF_HUB_OFFLINE")
    try:
        request = urllib.request.Request(endpoint, method="HEAD")
        urllib.request.urlopen(request, timeout=PATIENCE_SECONDS).close()
    except urllib.error.HTTPError:
        pass
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        fix = "check the network, the proxy and HF_ENDPOINT"
        return absent("hub", f"{name} cannot be reached ({why}): {WITHOUT}", fix)
    return ok("hub", f"{name} answers")
