"""What `--save` keeps of a cell: the files of its model, with a card, in the directory."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from llmbench import plugin
from llmbench.config.setup import Setup
from llmbench.errors import ConfigError
from llmbench.files import explained_errors, write_text
from llmbench.record.record import Record
from llmbench.source.model import Source
from llmbench.storage.store import Store
from llmbench.wording.card import card
from llmbench.workers.launch import AUTO

CARD = "README.md"
NAMED = {"adapter_config.json": "base_model_name_or_path", "config.json": "_name_or_path"}
"""Files of a model, and the field in each that tells where the base was found."""


def check(setup: Setup) -> None:
    """ConfigError where a launcher's workers have no files in common with this machine."""
    name = setup.config.launcher
    if setup.config.save == "no" or name == AUTO:
        return
    if not plugin.registry().launchers.get(name).shares_files:
        raise ConfigError(
            f"--save keeps files, and those of '--launcher {name}' stay where its workers run: "
            "take another launcher, or leave --save out."
        )


def keep(store: Store, record: Record, source: Source, artifact: Path) -> None:
    """Move what a cell saved to `models/CELL`, in the place of what lay there, and describe it."""
    if record.saved is None or not artifact.is_dir():
        return
    base = source.hub_id or record.cell.model.id
    folder = store.models / record.cell.id
    with explained_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        shutil.move(artifact, folder)
    _call_base(folder, base)
    command = store.read_header().command
    write_text(folder / CARD, card(record, command, base, _kind(folder)))
    store.send(folder)


def _kind(folder: Path) -> str:
    """The class of transformers that loads the model, or what the adapter goes on."""
    told = {name: _content(folder / name) for name in NAMED}
    paired = told["config.json"].get("is_encoder_decoder")
    paired = paired or told["adapter_config.json"].get("task_type") == "SEQ_2_SEQ_LM"
    return "AutoModelForSeq2SeqLM" if paired else "AutoModelForCausalLM"


def _content(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}


def _call_base(folder: Path, base: str) -> None:
    """Name the base as others know it: where it lay on this machine is nobody's business."""
    for name, field in NAMED.items():
        values = _content(folder / name)
        if values.get(field):
            write_text(folder / name, json.dumps(values | {field: base}, indent=2) + "\n")
