"""The doctor: what it says of machines that this one is not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import namedtuple
from importlib.metadata import EntryPoint

import pytest
from hub import serve
from initialising import PACKAGE, site

from llmbench import machine, plugin
from llmbench.doctor import hub, install, library
from llmbench.doctor import machine as machine_
from llmbench.doctor.library import Probe
from llmbench.machine import GpuFacts
from llmbench.plugin.catalogue import GROUP, Plugin
from llmbench.units import GIB

H200 = GpuFacts("NVIDIA H200", 140 * GIB, 139 * GIB, "580")
GOOD = {
    "torch": {"cuda_build": "13.0"},
    "cuda": {"works": True, "bf16": True},
    "flash": {"device": "cuda"},
    "bitsandbytes": {"cuda": True},
    "flash_attn": {},
    "imports": {"seconds": 8.4, "initialised_by": None},
}


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """Every package, on Linux."""
    monkeypatch.setattr(library, "_version", lambda package: "1.0")
    monkeypatch.setattr("platform.system", lambda: "Linux")


def states(findings):
    return {f.check: f.state for f in findings}


def test_a_gpu_machine_that_works_is_ok_throughout():
    assert set(states(library.findings(GOOD, has_gpu=True)).values()) == {"ok"}


@pytest.mark.parametrize(
    ("check", "answers", "said"),
    [
        ("torch", {"torch": {"cuda_build": None}}, "cannot use the GPU that is here"),
        ("torch", {"torch": {"error": "ImportError: no"}}, "ImportError: no"),
        ("cuda", {"cuda": {"error": "RuntimeError: too old"}}, "too old"),
        ("bitsandbytes", {"bitsandbytes": {"error": "no library"}}, "no library"),
        ("bitsandbytes", {"bitsandbytes": {"cuda": False}}, "its library for CPUs"),
        ("flash_attn", {"flash_attn": {"error": "ImportError: no symbol"}}, "no symbol"),
        ("cells", {"imports": {"error": "RuntimeError: no operator"}}, "no operator"),
    ],
)
def test_what_is_broken_is_a_problem_with_a_fix(check, answers, said):
    found = library.findings({**GOOD, **answers}, has_gpu=True)
    bad = [f for f in found if f.state == "problem"]
    assert [f.check for f in bad] == [check]
    assert said in bad[0].text
    assert bad[0].fix


def test_a_machine_without_a_gpu_lacks_one_and_is_not_broken():
    answers = {**GOOD, "torch": {"cuda_build": None}, "bitsandbytes": {"cuda": False}}
    found = library.findings(answers, has_gpu=False)
    assert "problem" not in states(found).values()
    assert "cuda" not in states(found)


def test_packages_that_are_not_installed_are_named(monkeypatch):
    monkeypatch.setattr(library, "_version", lambda package: None)
    found = states(library.findings({}, has_gpu=False))
    assert found["torch"] == "problem"
    assert found["bitsandbytes"] == found["flash_attn"] == "not here"


def test_a_crash_takes_only_the_answers_behind_it(tmp_path):
    code = (
        "import os\n"
        'print(\'{"about": "torch", "cuda_build": null}\', flush=True)\n'
        'print("noise", flush=True)\n'
        "os.abort()\n"
    )
    answers = Probe(("-c", code)).answers()
    assert answers == {"torch": {"cuda_build": None}}
    found = {f.check: f for f in library.findings(answers, has_gpu=False)}
    assert found["torch"].state == "ok"
    assert "crashed" in found["bitsandbytes"].text


@pytest.mark.parametrize(
    ("system", "culprit", "found"),
    [
        ("Linux", None, ("ok", "are forked: 8 s of imports serve them all")),
        (
            "Linux",
            "torchao",
            (
                "not here",
                "will be spawned, not forked, since importing torchao initialises CUDA: "
                "each pays 8 s of imports",
            ),
        ),
        (
            "Darwin",
            None,
            ("not here", "are spawned, as forking is for Linux: each pays 8 s of imports"),
        ),
    ],
)
def test_how_cells_will_start_is_said_beforehand(monkeypatch, system, culprit, found):
    monkeypatch.setattr("platform.system", lambda: system)
    answers = {"imports": {"seconds": 8.4, "initialised_by": culprit}}
    said = library.cells(answers)
    assert (said.state, said.text) == found


def test_a_strategy_that_needs_an_option_is_not_said_to_be_unable(registry):
    class Needy(registry.strategies.get("lora")):
        id = "needy"
        to: int

    registry.strategies.add("needy", Needy, Plugin("mine", "my-package 1.0"))
    assert "needy" not in " ".join(f.text + f.check for f in install.strategies())


def test_the_libraries_count_gpus_as_nvml_does(monkeypatch):
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    said = "print(json.dumps({'about': 'order', 'is': os.environ['CUDA_DEVICE_ORDER']}))"
    answers = Probe(("-c", f"import json, os; {said}")).answers()
    assert answers == {"order": {"is": "PCI_BUS_ID"}}


def test_what_hangs_is_ended():
    answers = Probe(("-c", "import time; time.sleep(600)")).answers(patience=0.2)
    assert answers == {}


def test_the_hub_answers_even_by_refusing():
    with serve() as served:
        assert hub.reach(served.endpoint, offline=False).state == "ok"


def test_a_hub_out_of_reach_is_not_here_and_offline_is_not_asked():
    found = hub.reach("http://127.0.0.1:9", offline=False)
    assert (found.state, found.fix is not None) == ("not here", True)
    with serve() as served:
        assert hub.reach(served.endpoint, offline=True).state == "not here"
        assert served.asked == []


def test_a_token_is_never_shown(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    token = hub.findings()[1]
    assert token.state == "ok"
    assert "secret" not in f"{token}"


@pytest.mark.parametrize(("free", "state"), [(5 * GIB, "ok"), (10**6, "problem")])
def test_too_little_disk_is_a_problem(monkeypatch, tmp_path, free, state):
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(install.shutil, "disk_usage", lambda path: usage(0, 0, free))
    assert install.disk(tmp_path / "not" / "yet").state == state


def test_a_configuration_that_cannot_be_is_a_problem(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert install.configuration()[0].text == "defaults alone"
    (tmp_path / "llmbench.toml").write_text("step = 3\n")
    found = install.configuration()[0]
    assert found.state == "problem"
    assert "did you mean 'steps'" in found.text


def test_a_broken_plugin_and_a_clash_are_problems(registry):
    registry.plugins.append(Plugin("bad", "bad-package 1.0", "ImportError: no"))
    lora = registry.strategies.get("lora")
    registry.strategies.add("lora", lora, Plugin("mine", "my-package 1.0"))
    broken, clash = install.plugins()
    assert "bad-package 1.0 is left out (ImportError: no)" in broken.text
    assert "'mine' of my-package" in clash.text
    assert {broken.state, clash.state} == {"problem"}


def test_strategies_say_themselves_why_they_cannot_run(registry, monkeypatch):
    lora = registry.strategies.get("lora")

    class Picky(lora):
        id = "picky"

        def skip(self, settings, environment):
            return "It is not my day."

    registry.strategies.add("picky", Picky, Plugin("mine", "my-package 1.0"))
    able, *others = install.strategies()
    picky = next(o for o in others if o.text == "It is not my day.")
    assert "lora" in able.text
    assert "picky" not in able.text
    assert picky.state == "not here"


def test_gpus_are_shown_with_what_others_hold(monkeypatch):
    busy = H200._replace(free_bytes=GIB)
    monkeypatch.setattr(machine, "visible_gpus", lambda: (H200, busy))
    free, taken = machine_.gpus()
    assert free.text == "NVIDIA H200, 139 GiB of 140 GiB free, driver 580"
    assert "somebody else uses it" in taken.text


def test_a_hidden_gpu_is_said_to_be_hidden(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "hidden by CUDA_VISIBLE_DEVICES" in machine_.gpus()[0].text


def test_a_limit_on_memory_counts(monkeypatch):
    monkeypatch.setattr(machine, "room", lambda: machine.Room(GIB, 3 * GIB))
    found = machine_.memory()
    assert (found.state, found.text) == ("problem", "1.0 GiB of 3.0 GiB free")


@pytest.fixture(scope="module")
def diagnosis(tmp_path_factory):
    """What the command ends with where importing transformers initialises CUDA."""
    folder = tmp_path_factory.mktemp("doctor")
    code = (
        "import sys\n"
        "sys.argv = ['llmbench', 'doctor', '--json']\n"
        "from llmbench.cli import main\n"
        "status = 0\n"
        "try:\n    main()\nexcept SystemExit as end:\n    status = end.code\n"
        "sys.exit(9 if 'torch' in sys.modules else status)\n"
    )
    variables = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    environ = {**os.environ, **variables, "PYTHONPATH": site(folder / "site")}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environ, capture_output=True, text=True
    )


def test_the_command_answers_without_torch_and_its_status_says_whether_all_is_well(diagnosis):
    found = json.loads(diagnosis.stdout)
    assert found[0]["check"] == "python"
    assert {f["state"] for f in found} <= {"ok", "not here", "problem"}
    broken = any(f["state"] == "problem" for f in found)
    assert diagnosis.returncode == int(broken), diagnosis.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no cell is forked")
def test_what_a_worker_imports_is_imported_to_see_what_it_does(diagnosis):
    cells = next(f for f in json.loads(diagnosis.stdout) if f["check"] == "cells")
    # torchao, where it is installed, is named before the stand-in.
    assert re.search(
        f"will be spawned, not forked, since importing (torchao, )?{PACKAGE}", cells["text"]
    )


def test_plugins_that_work_are_counted(monkeypatch):
    found = plugin.load([EntryPoint("tasks", "llmbench_tasks", GROUP)])
    monkeypatch.setattr(plugin, "registry", lambda: found)
    found = install.plugins()
    assert [f.state for f in found] == ["ok"]
