"""Output that nobody reads any more, with real pipes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

from llmbench.output.terminal.views import Lasting, lasting

VIEW = """
import os, sys
from llmbench.record.events import Waiting
from llmbench.output.terminal import views
with views.view(sys.argv[1]) as view:
    if sys.argv[2:]:
        os.write(2, b"ready\\n")
        sys.stdin.readline()
    for number in range(3):
        view.event(Waiting(reason="x" * 100_000))
sys.exit(7)
"""


@pytest.mark.parametrize("mode", ["normal", "jsonl"])
def test_a_reader_that_has_gone_ends_nothing(mode):
    process = subprocess.Popen(
        [sys.executable, "-c", VIEW, mode, "wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr.readline() == b"ready\n"
    process.stdout.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.stderr.read() == b""
    assert process.wait() == 7


@pytest.mark.skipif(sys.platform != "linux", reason="that device is Linux's")
@pytest.mark.parametrize(
    ("mode", "closed"), [("normal", ">&-"), ("quiet", "2>&-"), ("normal", ">/dev/full")]
)
def test_so_does_output_that_was_never_open_or_has_no_room(mode, closed):
    command = shlex.join([sys.executable, "-c", VIEW, mode])
    assert subprocess.run(["sh", "-c", f"{command} {closed}"]).returncode == 7


def test_what_can_be_written_is_written_and_asked():
    reader, writer = os.pipe()
    with open(writer, "w") as stream:
        made = Lasting(stream)
        assert made.write("text") == 4
        made.flush()
        assert made.encoding == stream.encoding
        assert made.fileno() == writer
        assert os.read(reader, 10) == b"text"
        os.close(reader)
        made.write("lost")
        made.flush()


def test_a_process_without_output_writes_nowhere():
    assert lasting(None).write("text") == 4
