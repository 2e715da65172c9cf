"""What kind of model a folder holds, read from its configuration without loading anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llmbench.errors import ModelError
from llmbench.source import safety

ADAPTER = "adapter_config.json"
QUANTIZED = "bitsandbytes"
"""The quantisation in files that can be trained on: NF4, FP4 and LLM.int8()."""
OTHER_HEADS = (
    "ForMaskedLM",
    "ForPreTraining",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForMultipleChoice",
    "ForNextSentencePrediction",
    "ForQuestionAnswering",
    "ForImageClassification",
    "ForAudioClassification",
    "ForCTC",
)
"""How classes of transformers end whose head does not say which token comes next."""
NEXT_TOKEN = frozenset({"GPT2ForPreTraining", "LlavaForPreTraining"})


def check(folder: Path, name: str) -> None:
    """ModelError where the configuration is of no language model, or of one in other bits."""
    content = _content(folder / "config.json")
    heads = [a for a in content.get("architectures") or () if a not in NEXT_TOKEN]
    if heads and all(str(head).endswith(OTHER_HEADS) for head in heads):
        raise ModelError(
            f"'{name}' is a {heads[0]}, whose head does not say which token comes next: "
            "take a language model."
        )
    stored = content.get("quantization_config")
    method = str(stored.get("quant_method", QUANTIZED)) if isinstance(stored, dict) else QUANTIZED
    if method != QUANTIZED:
        raise ModelError(
            f"The weights of '{name}' are stored quantised ({method}), which llmbench does not "
            "train on: take the model as it was before, or one in bitsandbytes' format."
        )


def check_whole(folder: Path, name: str) -> None:
    """ModelError for what is a part of a model, or its weights in a format that is only for use."""
    if (folder / ADAPTER).is_file():
        base = _content(folder / ADAPTER).get("base_model_name_or_path")
        of = f" of '{base}'" if isinstance(base, str) and base else ""
        raise ModelError(
            f"'{name}' holds an adapter{of}: merge it into its base model (merge_and_unload), save "
            "that in a folder of its own, and name it."
        )
    if list(folder.glob("*.gguf")) and not list(folder.glob("*.safetensors")):
        raise ModelError(
            f"'{name}' holds weights in GGUF, which are made for use and not for training: take "
            "the model that they were made from."
        )


def check_tokenizer(folder: Path, name: str) -> None:
    """ModelError where there is nothing that a tokenizer can be made of."""
    if not safety.has_tokenizer(folder):
        raise ModelError(
            f"'{name}' has no tokenizer: copy that of the model which it was made from into its "
            "folder (tokenizer.json and tokenizer_config.json)."
        )


def _content(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing where it holds no dictionary. Others say if it is broken."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
