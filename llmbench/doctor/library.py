"""The libraries that compute, asked in a process of their own."""

from __future__ import annotations

import contextlib
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from llmbench import plugin
from llmbench.doctor.finding import Finding, absent, ok, problem
from llmbench.machine import in_order_of_nvml
from llmbench.text import listed

PATIENCE_SECONDS = 120.0
"""A cold disk may take a minute to import torch from."""

LIBRARIES = ("-m", "llmbench.doctor.probe")
IMPORTS = (*LIBRARIES, "imports")
"""Two processes: what one initialises is not to be taken for the other's doing."""

Answers = Mapping[str, Mapping[str, Any]]


class Probe:
    """The process that is asked; started at once, read when its answers are needed."""

    def __init__(self, command: tuple[str, ...] = LIBRARIES) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=in_order_of_nvml(),
        )

    def answers(self, patience: float = PATIENCE_SECONDS) -> Answers:
        """What each part answered; those behind a crash are missing."""
        try:
            output, _ = self._process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, _ = self._process.communicate()
        answers = {}
        for line in output.splitlines():
            with contextlib.suppress(ValueError):
                answer = json.loads(line)
                answers[answer.pop("about")] = answer
        return answers


def findings(answers: Answers, has_gpu: bool) -> list[Finding]:
    """What the answers mean on a machine with or without a GPU."""
    return [
        torch(answers, has_gpu),
        *([cuda(answers)] if has_gpu else []),
        bitsandbytes(answers, has_gpu),
        flash(answers),
        flash_attn(answers),
        cells(answers),
    ]


def torch(answers: Answers, has_gpu: bool) -> Finding:
    """Its build, and whether it suits the machine."""
    installed, answer = _version("torch"), _answer(answers, "torch")
    if installed is None:
        return problem("torch", "is not installed", "pip install torch")
    if "error" in answer:
        return problem("torch", f"{installed}: {answer['error']}", "install it again")
    build = answer["cuda_build"]
    if build:
        return ok("torch", f"{installed}, for CUDA {build}")
    if has_gpu:
        fix = "install a CUDA build: https://pytorch.org/get-started/locally"
        return problem("torch", f"{installed} cannot use the GPU that is here", fix)
    return ok("torch", f"{installed}, for CPUs")


def cuda(answers: Answers) -> Finding:
    """Whether torch computes on the GPU."""
    answer = _answer(answers, "cuda")
    if "error" in answer:
        fix = "update the driver, or install a build of torch for an older CUDA"
        return problem("cuda", answer["error"], fix)
    if not answer["works"]:
        return absent("cuda", "this build of torch has none", "install a CUDA build of torch")
    if not answer["bf16"]:
        return absent("cuda", "works, without bf16 on this GPU", "use --precision fp32")
    return ok("cuda", "torch computes on the GPU, bf16 included")


def bitsandbytes(answers: Answers, has_gpu: bool) -> Finding:
    """Whether it loads, with what the machine has; strategies say whether they need it."""
    installed, answer = _version("bitsandbytes"), _answer(answers, "bitsandbytes")
    needing = plugin.registry().needing("bitsandbytes")
    needs = f"{listed(needing)} need it" if needing else "no strategy needs it"
    if installed is None:
        return absent("bitsandbytes", f"is not installed: {needs}", "pip install bitsandbytes")
    if "error" in answer:
        fix = "pip install --force-reinstall bitsandbytes, of a version for this CUDA"
        return problem("bitsandbytes", f"{installed}: {answer['error']} ({needs})", fix)
    if has_gpu and not answer["cuda"]:
        fix = "install a version that is built for this CUDA"
        return problem("bitsandbytes", f"{installed} has loaded its library for CPUs", fix)
    return ok("bitsandbytes", f"{installed}, its library for {'CUDA' if has_gpu else 'CPUs'} loads")


def flash(answers: Answers) -> Finding:
    """Torch's own flash kernel."""
    answer = _answer(answers, "flash")
    if "error" in answer:
        return absent("flash kernel", f"torch's own does not run here ({answer['error']})")
    device = "the GPU" if answer["device"] == "cuda" else "the CPU"
    return ok("flash kernel", f"torch's own runs on {device}")


def flash_attn(answers: Answers) -> Finding:
    """The package of flash kernels, which has kernels for GPUs alone."""
    installed, answer = _version("flash_attn"), _answer(answers, "flash_attn")
    if installed is None:
        return absent("flash_attn", "is not installed: torch's own kernel is used")
    if "error" in answer:
        fix = "build it for this torch, or uninstall it"
        return problem("flash_attn", f"{installed}: {answer['error']}", fix)
    return ok("flash_attn", installed)


def cells(answers: Answers) -> Finding:
    """Whether cells can share their imports, or each has to import by itself."""
    answer = _answer(answers, "imports")
    if "error" in answer:
        fix = 'python -c "from llmbench.worker import preload; preload.preload()" shows where'
        return problem("cells", f"what each imports does not load: {answer['error']}", fix)
    spent = f"{answer['seconds']:.0f} s of imports"
    if platform.system() != "Linux":
        return absent("cells", f"are spawned, as forking is for Linux: each pays {spent}")
    if answer["initialised_by"]:
        why = f"importing {answer['initialised_by']} initialises CUDA"
        return absent("cells", f"will be spawned, not forked, since {why}: each pays {spent}")
    return ok("cells", f"are forked: {spent} serve them all")


def _answer(answers: Answers, about: str) -> Mapping[str, Any]:
    return answers.get(about, {"error": "Python crashed or hung while it was tried"})


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
