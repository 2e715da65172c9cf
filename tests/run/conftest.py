"""Comparisons that run no worker."""

from __future__ import annotations

import pytest
from scripted import Heard, Scripted

from llmbench.config.setup import set_up
from llmbench.plugin.catalogue import Plugin
from llmbench.run import comparison
from llmbench.storage.export import Written


@pytest.fixture
def scripted(registry, monkeypatch):
    """Compares with the scripted launcher; returns what came of it, what was heard and what ran.

    Nothing is rendered: only what is asked of the run itself is to take time.
    """
    registry.launchers.add("scripted", Scripted, Plugin("test", "test"))
    monkeypatch.setattr(comparison, "export", lambda compared, directory: Written([], []))

    def start(acts, **values):
        Scripted.acts, heard = acts, Heard()
        asked = {"device": "cpu", "launcher": "scripted", "strategies": "full,lora", **values}
        finished = comparison.run(set_up([("test", asked)]), "llmbench compare", heard)
        return finished, heard, Scripted.latest

    return start
