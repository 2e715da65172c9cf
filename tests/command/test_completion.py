"""What the shell completes, asked as the shells ask."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from llmbench import plugin
from llmbench.cli import cli
from llmbench.command import options
from llmbench.errors import PluginError


def values(items):
    return {item.value for item in items}


@pytest.mark.parametrize(
    ("typed", "offered", "withheld"),
    [
        ("", {"full", "lora", "8-bit", "all"}, set()),
        ("ql", {"qlora"}, {"lora"}),
        ("full,lo", {"full,lora"}, {"lora"}),
        ("full,", {"full,lora", "full,full"}, {"full,all"}),
        ("lora+", {"lora+4-bit", "lora+flash-attention"}, {"lora+full", "lora+qlora"}),
        ("lora(r=4,alpha=8)+4", {"lora(r=4,alpha=8)+4-bit"}, set()),
        ("full,qlora+", {"full,qlora+gradient-checkpointing"}, {"full,qlora+4-bit"}),
        ("poetry", set(), {"lora"}),
        ("lora(", {"lora(r=", "lora(alpha="}, {"lora(full"}),
        ("full,lora(r=4,", {"full,lora(r=4,alpha="}, {"full,lora(r=4,r="}),
        ("lora(dr", {"lora(dropout="}, {"lora(r="}),
        ("qlora(paged=", {"qlora(paged=true)", "qlora(paged=false)"}, set()),
        ("lora(r=", set(), {"lora(r=r="}),
    ],
)
def test_strategies_are_completed_after_a_comma_and_a_plus(registry, typed, offered, withheld):
    found = values(options.strategies(typed))
    assert offered <= found
    assert not withheld & found
    assert all(value.startswith(typed) for value in found)


def test_lists_of_metrics_are_completed(registry):
    assert values(options.metrics("rouge,e")) == {"rouge,exact-match", "rouge,evaluate"}


def test_models_are_aliases_and_else_folders(registry):
    assert "llama-2-7b" in values(options.models("llama"))
    assert [item.type for item in options.models("./m")] == ["dir"]


def test_launchers_and_tasks_are_completed(registry):
    assert values(options.launchers("")) == {"auto", "fork", "ray", "slurm", "spawn"}
    assert values(options.tasks("summ")) == {"summarization"}
    assert values(options.tasks("translation(source=en,")) == {"translation(source=en,target="}


def test_completed_options_are_options():
    context = cli.make_context("llmbench", ["compare", "--help"], resilient_parsing=True)
    command = cli.commands["compare"]
    assert options.BY_OPTION.keys() <= {p.name for p in command.get_params(context)}


def test_a_broken_choice_of_plugins_completes_nothing(monkeypatch):
    def broken():
        raise PluginError("no such plugin")

    monkeypatch.setattr(plugin, "registry", broken)
    complete = options.for_option("strategies")
    assert complete(None, None, "") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("llmbench compare --strategies full,qlo", "plain,full,qlora"),
        ("llmbench compare --model gpt", "plain,gpt2"),
        ("llmbench li", "plain,list"),
        ("llmbench list strat", "plain,strategies"),
    ],
)
def test_bash_gets_what_it_asks_for(words, said):
    asked = {
        **os.environ,
        "_LLMBENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    code = "import sys; sys.argv = ['llmbench']; from llmbench.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True)
    assert done.stdout.splitlines() == [said], done.stderr
