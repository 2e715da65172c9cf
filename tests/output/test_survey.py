"""`--dry-run` opens the data: what is shown of them is what a cell would be fed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llmbench import plugin
from llmbench.cli import cli
from llmbench.plugin.task import Example
from llmbench.source.tokenizer import Tokenizer
from llmbench.worker import template
from llmbench.worker.encoding import Encoder

ROWS = [
    {"instruction": "Say it.", "input": f"Word {i}", "output": f"Number {i}!", "note": "x"}
    for i in range(12)
]


def write(path: Path, rows: list[dict[str, str]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def dry(tmp_path: Path):
    """Shows what a comparison of these rows would be."""

    def run(train: list[dict[str, str]], evaluated: list[dict[str, str]], *more: str) -> Result:
        data = write(tmp_path / "train.jsonl", train)
        held_out = write(tmp_path / "eval.jsonl", evaluated)
        command = ["compare", "--dry-run", "--data", data, "--eval-data", held_out, *more]
        return CliRunner().invoke(cli, command)

    return run


def test_fields_counts_lengths_and_a_prompt_are_shown(dry):
    shown = dry(ROWS[:10], ROWS[10:]).output
    row = next(line for line in shown.splitlines() if line.startswith("training"))
    fields = ["9", "of", "10", "instruction,", "input", "output", "Alpaca"]
    assert row.split()[2:9] == fields
    assert "left out: note." in shown
    assert "  | <s>Say it.\n  |\n  | Word" in shown
    assert "  |  Number" in shown


def test_what_is_cut_shared_or_special_is_shown(dry):
    long = [{**row, "input": f"{row['input']} " * 200} for row in ROWS]
    shown = dry([*long[:10], ROWS[11]], [ROWS[11]]).output
    assert "1 of 1 evaluated examples are in the training data" in shown
    assert "lost the end of their input, to fit 192 tokens (--seq-len)" in shown
    marked = [{**row, "output": f"{row['output']}</s>x"} for row in ROWS]
    shown = dry(marked[:9], marked[9:]).output
    assert "hold special tokens (</s>), which are read as text" in shown


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "is empty"),
        ([{"a": "b"}], "has no field that is known as the input"),
        ([{"text": "a", "summary": ""}], "row 1 has an empty target"),
    ],
)
def test_data_that_cannot_be_used_are_refused(dry, rows, said):
    done = dry(rows, ROWS)
    assert done.exit_code != 0
    assert said in str(done.exception)


def test_the_tokenizer_of_the_files_counts_as_that_of_a_worker(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(
        "{% for m in messages %}\n{{ m.role }}: {{ m.content }}{{ eos_token }}\n{% endfor %}\n"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    from transformers import AutoTokenizer

    task = plugin.registry().tasks.get("summarization")
    for way in ("chat", "plain"):
        both = AutoTokenizer.from_pretrained(tmp_path), Tokenizer(tmp_path)
        one, other = (Encoder(t, task, template.choose(t, way, "m"), 60) for t in both)
        for text in ("Anna: Yes.", "Tom </s> No. " * 20, "\U0001f600"):
            example = Example("a", text, ("A cake.",))
            assert one.sequence(example) == other.sequence(example)


def test_the_parent_reads_data_without_torch(tmp_path):
    data = write(tmp_path / "train.jsonl", ROWS)
    code = (
        "import sys\n"
        "sys.argv = ['llmbench', 'compare', '--dry-run']\n"
        f"sys.argv += ['--data', {data!r}, '--eval-data', {data!r}]\n"
        "from llmbench.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'peft'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "12 of 12 evaluated examples are in the training data" in done.stdout
