"""What this machine can run, and why not: findings on machine, libraries, hub and installation.

Nothing heavy is imported in this process: what torch and its kin say of themselves is asked in
others (`llmbench.doctor.probe`), which may crash without taking the answer with it.
"""

from __future__ import annotations

from llmbench.doctor import hub, install, library, machine
from llmbench.doctor.finding import Finding
from llmbench.doctor.library import IMPORTS, Probe


def examine() -> list[Finding]:
    """Every finding, in the order in which a person reads them."""
    probes = Probe(), Probe(IMPORTS)  # take seconds, and the rest is looked at meanwhile
    before = [machine.python(), *machine.gpus()]
    after = [
        machine.memory(),
        *install.configuration(),
        *hub.findings(),
        *install.requirements(),
        *install.plugins(),
        *install.strategies(),
    ]
    answers = {about: answer for probe in probes for about, answer in probe.answers().items()}
    return [*before, *library.findings(answers, machine.has_gpu()), *after]
