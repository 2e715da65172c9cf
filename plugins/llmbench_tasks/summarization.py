"""Summaries of dialogues or documents."""

from pathlib import Path

from llmbench.plugin.task import Task

DATA = Path(__file__).parent / "data"

SUMMARIZATION = Task(
    id="summarization",
    summary="dialogues or documents to short summaries",
    template="Summarize the dialogue.\n\n{input}\n\nSummary:",
    train_file=DATA / "train.jsonl",
    eval_file=DATA / "eval.jsonl",
    metrics=("rouge",),
)
