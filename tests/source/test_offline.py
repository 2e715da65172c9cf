"""The hub's variables, and models without a hub, under the real command line."""

from __future__ import annotations

from pathlib import Path

import hub as local_hub
import pytest
from distribution import QUICK, llmbench

from llmbench.storage.store import Store
from make_tiny import FOLDER

QUICK_WORKER = Path(__file__).parents[1] / "fault" / "plugins"
BASE = ("compare", *QUICK, "--strategies", "base", "--seeds", "1")


@pytest.fixture(scope="module")
def served():
    """A hub on loopback that holds the shipped model."""
    with local_hub.serve() as hub:
        files = {p.name: p.read_bytes() for p in FOLDER.iterdir() if p.is_file()}
        hub.repos["owner/tiny"] = local_hub.Repo(files)
        yield hub


def test_a_model_of_a_hub_runs_and_then_runs_without_a_hub(served, tmp_path: Path) -> None:
    home = {"HF_HOME": str(tmp_path / "home")}
    command = (*BASE, "--model", "owner/tiny", "--output")
    asked_of = {"HF_ENDPOINT": served.endpoint, "HF_TOKEN": "hf_mine"}
    quick = ("a", "--launcher", "quick")  # it is the parent that asks the hub
    first = llmbench(QUICK_WORKER, *command, *quick, cwd=tmp_path, **asked_of, **home)
    assert first.returncode == 0, first.stderr
    assert "Bearer hf_mine" in served.authorized
    assert (tmp_path / "home" / "hub" / "models--owner--tiny").is_dir()
    asked = len(served.asked)
    offline = llmbench(
        tmp_path, *command, "b", HF_ENDPOINT=served.endpoint, HF_HUB_OFFLINE="1", **home
    )
    assert offline.returncode == 0, offline.stderr
    assert len(served.asked) == asked
    cells = [Store(tmp_path / name).read().records[0].cell for name in ("a", "b")]
    assert cells[0] == cells[1]
    assert cells[0].model.revision == local_hub.COMMIT


@pytest.mark.parametrize(
    ("repo", "said"),
    [
        (local_hub.Repo(refusal=(401, "RepoNotFound")), "is not on the hub, or is private"),
        (local_hub.Repo(refusal=(403, "GatedRepo")), "is gated: ask for access on its hub page"),
        (local_hub.Repo(refusal=(429, ""), retry_after="60"), "too busy (429): try again in 60 s"),
        (local_hub.Repo(refusal=(500, "")), "as the hub answers with 500: try again later."),
        (local_hub.Repo({"config.json": b'{"auto_map": {}}'}), "brings code of its own"),
    ],
    ids=["401", "403", "429", "500", "code"],
)
def test_a_refusal_of_the_hub_is_one_sentence(served, tmp_path: Path, repo, said) -> None:
    served.repos["owner/other"] = repo
    command = ("compare", "--model", "owner/other", "--launcher", "spawn")
    home = str(tmp_path / "home")
    done = llmbench(tmp_path, *command, HF_ENDPOINT=served.endpoint, HF_HOME=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("llmbench: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert not (tmp_path / "reports").exists()
