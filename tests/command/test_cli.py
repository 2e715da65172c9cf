"""The command line: what it prints, how it ends, what it imports."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llmbench.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs llmbench in an empty directory: exit status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["llmbench", *args])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    files = {
        "good": '{"dialogue": "A: Hi.", "summary": "A greets."}\n',
        "empty": "",
        "malformed": '{"dialogue": "A: Hi.", "summary": "A greets."}\n{"dialogue": \n',
        "lacking": '{"talk": "A: Hi.", "summary": "A greets."}\n',
    }
    for name, text in files.items():
        (tmp_path / f"{name}.jsonl").write_text(text)
    return {name: f"{name}.jsonl" for name in [*files, "missing"]}


def test_a_list_that_is_given_several_times_adds_up(run: Run) -> None:
    twice = ["--strategies", "full", "--strategies", "lora,qlora"]
    status, out, _ = run("compare", "--dry-run", *twice)
    assert status == 0
    assert re.search(r"strategies +full,lora,qlora +command line", out)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--strategies", "loar"], "did you mean 'lora'"),
        (["--strategies", "full+4-bit"], "write 'full' or 'lora+4-bit'"),
        (["--strategies", "lora+qlora"], "cannot be joined"),
        (["--strategies", "lora(rank=4)"], "'lora' has no option 'rank'"),
        (["--strategies", "lora(r=0)"], "'lora(r=0)' cannot be: give 1 or more."),
        (["--lr", "1e-4"], "There is no option '--lr': did you mean '--learning-rate'?"),
        (["--zzz", "1"], "There is no option '--zzz': see --help."),
        (["--precision", "bf16"], "'bf16' means several things: write bf16-mixed or bf16-master"),
        (["--precision", "BF16-Mixed"], "(command line): did you mean 'bf16-mixed'?"),
        (["--device", "tpu"], "--device cannot be 'tpu' (command line): give 'auto', 'cpu' or"),
        (["--seeds", "many"], "--seeds cannot be 'many' (command line): give a whole number."),
        (["--model", "lama-2-7b"], "did you mean 'llama-2-7b'"),
        (["--steps", "-1"], "--steps cannot be -1"),
        (["--steps", "3"], "leaves nothing to time"),
        (["--task", "poetry"], "Unknown task 'poetry'"),
        (["--metrics", "ruge"], "did you mean 'rouge'"),
        (["--metrics", "evaluate"], "'evaluate' needs a metric"),
        (["--output", "/proc/nowhere"], "Cannot write to '/proc/nowhere'"),
    ],
)
def test_a_mistake_is_one_sentence_with_a_way_out_and_nothing_is_written(
    run: Run, tmp_path: Path, args: list[str], said: str
) -> None:
    status, out, err = run("compare", *args)
    assert status == 2
    assert said in err
    assert err.startswith("llmbench: ")
    assert err.count("\n") == 1
    assert not out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "There is no data file 'missing.jsonl'"),
        ("empty", "'empty.jsonl' is empty"),
        ("malformed", "'malformed.jsonl' line 2 is not JSON"),
        ("lacking", "--input-field"),
    ],
)
@pytest.mark.parametrize("option", ["--data", "--eval-data"])
def test_bad_data_is_named_and_nothing_is_written(
    run: Run, data: dict[str, str], tmp_path: Path, option: str, name: str, said: str
) -> None:
    other = "--eval-data" if option == "--data" else "--data"
    before = set(tmp_path.iterdir())
    status, _, err = run("compare", option, data[name], other, data["good"])
    assert status == 2
    assert said in err
    assert err.count("\n") == 1
    assert set(tmp_path.iterdir()) == before


def test_an_unknown_model_without_a_network_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    status, _, err = run("compare", "--model", "nobody/no-such-model")
    assert status == 2
    assert "'nobody/no-such-model' is not in the cache and the hub cannot be reached" in err
    assert not (tmp_path / "reports").exists()


def test_dry_run_shows_the_plan_and_where_values_came_from(run: Run, tmp_path: Path) -> None:
    status, out, err = run("compare", "--dry-run", "--strategies", "8-bit,lora", "--steps", "7")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert [line[0] for line in lines[1:4]] == ["base", "lora+8-bit", "lora"]
    assert ["steps", "7", "command", "line"] in lines
    assert ["seq-len", "192", "default", "for", "llmbench-tiny"] in lines
    assert ["schedule", "linear", "default"] in lines
    assert list(tmp_path.iterdir()) == []


def test_dry_run_shows_what_an_ablation_adds(run: Run) -> None:
    command = ("compare", "--dry-run", "--strategies", "lora+gradient-checkpointing", "--ablate")
    status, out, _ = run(*command)
    assert status == 0
    found = [line.split()[0] for line in out.splitlines() if "run, for --ablate" in line]
    assert found == ["full", "lora"]


def test_dry_run_shows_what_is_planned_for_a_time_budget(run: Run) -> None:
    command = ("compare", "--dry-run", "--strategies", "lora", "--time-budget", "30m", "--tune")
    status, out, _ = run(*command)
    assert status == 0
    assert "Within 30 min: a pilot of a few steps and examples shows how long cells take" in out
    assert "- 3 to 5 learning rates or more for each of lora, in half of the time at most" in out
    assert "- 20 to 500 examples to evaluate" in out
    assert "12 at most" in out
    assert "After 2, 3, 5 and 8 seeds, what is clearly worse is given up" in out
    assert "Steps stay as they are, 80 for every method." in out
    _, given, _ = run(*command, "--seeds", "3", "--eval-examples", "40", "--tries", "4")
    assert "- 4 learning rates or more" in given
    assert "- 40 examples to evaluate, as asked for" in given
    assert "3 at most\nAfter 2 seeds" in given


def test_dry_run_names_what_a_strategy_declares(run: Run) -> None:
    _, out, _ = run("compare", "--dry-run", "--strategies", "lora", "--learning-rate", "0.001")
    assert "learning_rate 0.01" in next(x for x in out.splitlines() if x.startswith("lora"))


def test_defaults_of_a_real_model_differ_from_those_of_the_shipped_one(run: Run) -> None:
    _, tiny, _ = run("compare", "--dry-run")
    _, real, _ = run("compare", "--dry-run", "--model", "llama-2-7b", "--weights", "random")
    assert "for llmbench-tiny" in tiny
    assert "for llmbench-tiny" not in real


@pytest.mark.parametrize(
    "args", [["--help"], ["compare", "--help"], ["compare", "--dry-run"], ["list", "strategies"]]
)
def test_the_parent_answers_without_torch(args: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['llmbench', *{args!r}]\n"
        "from llmbench.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'peft'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("kind", "one"),
    [
        ("strategies", "gradient-checkpointing"),
        ("models", "llama-2-7b"),
        ("tasks", "summarization"),
        ("metrics", "rouge"),
        ("launchers", "fork"),
        ("exporters", "csv"),
        ("plugins", "strategies"),
    ],
)
def test_list_shows_what_is_installed_and_the_package_it_comes_from(
    run: Run, kind: str, one: str
) -> None:
    status, out, _ = run("list", kind)
    assert status == 0
    row = next(line for line in out.splitlines() if line.startswith(one))
    assert "llmbench 0." in row


def test_report_of_a_directory_without_a_comparison_is_refused(run: Run, tmp_path: Path) -> None:
    status, _, err = run("report", str(tmp_path))
    assert status == 2
    assert "holds no comparison" in err


def test_strategies_are_listed_for_machines_with_their_options(run: Run) -> None:
    status, out, _ = run("list", "strategies", "--json")
    found = {item["id"]: item for item in json.loads(out)}
    assert status == 0
    assert found["lora"]["package"].startswith("llmbench 0.")
    assert found["lora"]["options"][0] == {
        "name": "r",
        "type": "int",
        "default": 16,
        "required": False,
        "description": "Rank of the adapters.",
    }
    assert (found["8-bit"]["group"], found["8-bit"]["stands_on"]) == ("quantization", "lora")
    assert (found["qlora"]["also_claims"], found["qlora"]["stands_on"]) == (["quantization"], None)


@pytest.mark.parametrize(
    "kind", ["models", "tasks", "metrics", "probes", "launchers", "exporters", "plugins"]
)
def test_every_kind_is_listed_for_machines(run: Run, kind: str) -> None:
    _, out, _ = run("list", kind, "--json")
    listed = json.loads(out)
    assert all({"id", "package"} <= item.keys() for item in listed)
    assert bool(listed) == (kind != "probes")


def test_show_config_tells_where_each_value_came_from_and_runs_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llmbench.toml").write_text('seed = 3\nstrategies = ["lora", "full"]\n')
    (tmp_path / "mine.toml").write_text("batch-size = 2\n")
    monkeypatch.setenv("LLMBENCH_SEQ_LEN", "64")
    asked = ("--show-config", "--config", "mine.toml", "--steps", "7")
    status, out, err = run("compare", *asked)
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["seed", "3", "llmbench.toml"] in lines
    assert ["strategies", "lora,full", "llmbench.toml"] in lines
    assert ["batch-size", "2", "mine.toml"] in lines
    assert ["seq-len", "64", "LLMBENCH_SEQ_LEN"] in lines
    assert ["steps", "7", "command", "line"] in lines
    assert {path.name for path in tmp_path.iterdir()} == {"llmbench.toml", "mine.toml"}


def test_a_mistake_in_a_file_ends_as_one_on_the_command_line_does(run: Run, tmp_path: Path) -> None:
    (tmp_path / "llmbench.toml").write_text("seqlen = 3\n")
    status, out, err = run("compare")
    assert (status, out) == (2, "")
    assert err.startswith("llmbench: Unknown option 'seqlen' (llmbench.toml): did you mean ")
    assert err.count("\n") == 1


def test_two_ways_of_showing_exclude_each_other(run: Run) -> None:
    status, _, err = run("compare", "--quiet", "--jsonl")
    assert status == 2
    assert "--quiet and --jsonl exclude each other" in err


def test_a_broken_plugin_is_a_line_on_standard_error_when_comparing_and_only_then(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmbench import plugin

    bad = plugin.Plugin("bad", "bad-package 1.0", "ImportError: no such thing")
    monkeypatch.setattr(plugin.registry(), "plugins", [bad])
    monkeypatch.setattr("llmbench.command.compare.run", lambda setup, how: None)
    _, out, err = run("compare")
    assert out == ""
    assert err.count("\n") == 1
    assert "'bad' of bad-package 1.0 is left out (ImportError: no such thing)" in err
    assert run("compare", "--dry-run")[2] == ""
    assert run("list", "strategies")[2] == ""


def test_the_help_lists_every_exit_status(run: Run) -> None:
    from llmbench import errors

    _, out, _ = run("--help")
    words = {line.split()[0] for line in out.splitlines() if line.strip()}
    statuses = {str(v) for v in vars(errors).values() if type(v) is int}
    assert statuses <= words


def test_every_option_of_the_configuration_is_under_a_heading() -> None:
    from llmbench.command.options import GROUPS
    from llmbench.config.config import OPTIONS, SETTINGS

    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted([*OPTIONS, *SETTINGS])
