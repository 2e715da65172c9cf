"""Where values come from: `llmbench.toml`, `--config`, variables, and the command line on top."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmbench.config.config import resolve
from llmbench.config.layers import from_file, layers, variables
from llmbench.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_later_layers_lie_on_top_and_give_their_origin(folder, monkeypatch):
    write(folder / "llmbench.toml", "steps = 10\nseq-len = 64\nbatch_size = 1\nseed = 5\n")
    write(folder / "mine.toml", "seq-len = 128\nbatch-size = 2\nseed = 6\n")
    monkeypatch.setenv("LLMBENCH_BATCH_SIZE", "3")
    monkeypatch.setenv("LLMBENCH_SEED", "7")
    found = resolve(layers(Path("mine.toml"), {"seed": 8, "steps": None}))
    settings, origins = found.config.settings, found.origins
    assert (settings.steps, origins["steps"]) == (10, "llmbench.toml")
    assert (settings.seq_len, origins["seq_len"]) == (128, "mine.toml")
    assert (settings.batch_size, origins["batch_size"]) == (3, "LLMBENCH_BATCH_SIZE")
    assert (found.config.seed, origins["seed"]) == (8, "command line")
    assert origins["model"] == "default"


def test_without_files_and_variables_only_the_command_line_is_left(folder):
    assert layers(None, {"steps": 3}) == [("command line", {"steps": 3})]


def test_a_file_that_is_named_and_found_is_read_once(folder):
    write(folder / "llmbench.toml", "steps = 10\n")
    assert [origin for origin, _ in layers(folder / "llmbench.toml", {})] == [
        "llmbench.toml",
        "command line",
    ]


def test_lists_may_be_lists_or_texts_with_commas(folder):
    a = from_file(write(folder / "a.toml", 'strategies = ["lora(r=4,alpha=8)", "full"]\n'))
    b = from_file(write(folder / "b.toml", 'strategies = "lora(r=4,alpha=8),full"\n'))
    assert resolve([a]).config == resolve([b]).config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("step = 3\n", "Unknown option 'step' (x.toml): did you mean 'steps'"),
        ("seq_length = 3\n", "did you mean 'seq-len'"),
        ("steps = 3\nmodel = gpt2\n", "'x.toml' line 2 is not TOML (invalid value)"),
        ("steps = 3\n\nsteps = 4\n", "'x.toml' line 3 is not TOML (cannot overwrite a value)"),
        ("seq-len = 3\nseq_len = 4\n", "gives 'seq_len' twice"),
        ('steps = "many"\n', "--steps cannot be 'many' (x.toml): "),
        ("steps = true\n", "'steps' cannot be True (x.toml)"),
        ("[training]\nsteps = 3\n", "'training' cannot be a table (x.toml)"),
        ("steps = 2026-01-01\n", "'steps' cannot be datetime.date"),
        ("strategies = [1]\n", "--strategies cannot be 1 (x.toml): "),
    ],
)
def test_a_mistake_in_a_file_is_one_sentence_that_names_the_file(folder, text, said):
    write(folder / "x.toml", text)
    with pytest.raises(ConfigError) as caught:
        resolve([from_file(Path("x.toml"))])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_is_named(folder):
    (folder / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"'no\.toml' cannot be read"):
        from_file(Path("no.toml"))
    with pytest.raises(ConfigError, match=r"'x\.toml' is not UTF-8"):
        from_file(Path("x.toml"))


def test_a_misspelt_variable_gets_the_nearest_one():
    with pytest.raises(ConfigError, match=r"'LLMBENCH_STEP': did you mean 'LLMBENCH_STEPS'"):
        variables({"LLMBENCH_STEP": "3"})


def test_variables_that_are_empty_or_no_options_are_left_alone():
    given = {"LLMBENCH_STEPS": "", "LLMBENCH_PLUGINS": "strategies", "LLMBENCHMARK": "x"}
    assert variables(given) == []


def test_a_variable_that_cannot_be_is_named():
    with pytest.raises(ConfigError, match=r"--steps cannot be 'ten' \(LLMBENCH_STEPS\)"):
        resolve(variables({"LLMBENCH_STEPS": "ten"}))


@pytest.mark.parametrize("text", ["deterministic = true\n", "deterministic = 1\n"])
def test_a_flag_can_stand_in_a_file(tmp_path, text):
    path = tmp_path / "x.toml"
    path.write_text(text)
    assert resolve([from_file(path)]).config.settings.deterministic is True


@pytest.mark.parametrize("name", ["trust_remote_code", "allow_pickles"])
@pytest.mark.parametrize("value", ["1", "true", "0"])
def test_what_lets_code_run_can_be_typed_alone(tmp_path, name, value):
    typed = f"give --{name.replace('_', '-')} on the command line."
    variable = f"LLMBENCH_{name.upper()}"
    with pytest.raises(ConfigError) as caught:
        variables({variable: value})
    assert str(caught.value) == f"'{variable}' cannot be set as a variable: {typed}"
    with pytest.raises(ConfigError) as caught:
        from_file(write(tmp_path / "x.toml", f"{name} = {value}\n"))
    assert str(caught.value).startswith(f"'{name}' cannot stand in a file (")
    assert str(caught.value).endswith(typed)
