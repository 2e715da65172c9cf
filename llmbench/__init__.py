"""llmbench compares ways of fine-tuning a language model under one harness."""

from importlib.metadata import PackageNotFoundError, version

import pluggy

try:
    __version__ = version("llmbench")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

hookimpl = pluggy.HookimplMarker("llmbench")
"""Marks a function of a plugin as an implementation of a hook in `llmbench.plugin.hookspecs`."""
