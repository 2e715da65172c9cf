"""Plugins that load and then misbehave in the parent: named, and the rest works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from distribution import install


def test_ctrl_c_ends_the_command_also_while_a_plugin_is_imported(tmp_path: Path) -> None:
    install(tmp_path, "slow", "open('begun', 'w').close()\nimport time\ntime.sleep(60)\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-m", "llmbench", "list", "strategies"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "llmbench: interrupted.\n")
    assert process.returncode == 130
