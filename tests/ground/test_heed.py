"""The word to end reaches a worker, also where Python would drop it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEEDING = """
import gc, signal, time, weakref
from llmbench import errors

def end(*_):
    gc.callbacks.clear()
    signal.raise_signal(signal.{signal})

class Ending:
    def __del__(self):
        end()

class Other:
    pass

errors.heed()
try:
    {dropping}
    time.sleep(10)
except errors.Stop:
    print("heeded")
"""

FAILING = """
from llmbench import errors

class Failing:
    def __del__(self):
        raise ValueError("no end")

errors.heed()
Failing()
"""


def output(code: str) -> tuple[str, str]:
    """What a process with that code prints, and what it says of errors."""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return ended.stdout.strip(), ended.stderr


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    "dropping",
    [
        "Ending()",
        "other = Other(); kept = weakref.ref(other, end); del other",
        "gc.callbacks.append(end); gc.collect()",
    ],
    ids=["finaliser", "weak reference", "collection"],
)
def test_a_stop_that_python_drops_comes_again(dropping, signal):
    assert output(HEEDING.format(dropping=dropping, signal=signal)) == ("heeded", "")


def test_other_errors_that_python_drops_are_told_as_ever():
    assert "ValueError: no end" in output(FAILING)[1]
