"""Is what strategies save what they trained? Asked of another process, of all of them at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from llmbench import plugin

Said = dict[str, str | None]
"""A `problem` in a sentence, None where there is none; or why it is `untried`."""
Ask = Callable[[Sequence[str], str], dict[str, Said]]
"""What is said of compositions, on the model in a folder."""


def asked(texts: Sequence[str], location: str) -> dict[str, Said]:
    """What becomes of each composition that is saved and loaded again, on a model's folder.

    One that ends the process is told from those after it, which are asked of another.
    """
    answers: dict[str, Said] = {}
    while len(answers) < len(texts):
        done = _process(texts[len(answers) :], location)
        answers |= dict(_answers(done.stdout))
        if len(answers) < len(texts):
            lines = done.stderr.strip().splitlines()
            why = lines[-1] if lines else f"Its process ended with {done.returncode}."
            answers[texts[len(answers)]] = {"problem": why}
    return answers


def _process(texts: Sequence[str], location: str) -> subprocess.CompletedProcess[str]:
    files = [str(path) for path in plugin.files()]
    return subprocess.run(
        [sys.executable, "-m", "llmbench.worker.reload"],
        input=json.dumps({"compositions": texts, "model": location, "files": files}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )


def _answers(output: str) -> Iterator[tuple[str, Said]]:
    """The lines that are answers: libraries may have written others."""
    for line in output.splitlines():
        if line.startswith('{"composition"'):
            said = json.loads(line)
            yield said.pop("composition"), said
