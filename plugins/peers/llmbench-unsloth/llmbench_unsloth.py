"""Unsloth's LoRA and QLoRA, on llmbench's batches, with its optimiser and by its clock."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from llmbench import hookimpl
from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench_strategies.lora import Lora
from llmbench_strategies.qlora import Qlora

LLMBENCH_HOOKS = 1
LOGITS = "UNSLOTH_RETURN_LOGITS"
"""Whether its models return logits, which it reads from the environment in every forward pass."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")


class Unsloth(Lora):
    """Unsloth loads the model, patches it, and adds the adapters; llmbench trains it.

    The adapters, the learning rate and, in 4 bits, the quantisation are those of `lora` and
    `qlora(paged=false)`. What the weights are multiplied with, attention, the loss and what is
    kept for the backward pass are Unsloth's.
    """

    id = "unsloth"
    summary = "LoRA by Unsloth: its own kernels, attention, loss and backward pass"
    also_claims = frozenset(
        {"attention", "compilation", "loss", "memory", "parallelism", "quantization"}
    )
    packages = ("unsloth",)
    in_all = False

    method: Literal["lora", "qlora"] = Field(
        "lora", description="Whether the frozen weights are whole, or held in 4 bits each (NF4)."
    )
    checkpointing: bool = Field(
        False, description="Keep the input of each layer only, in the host's memory where it pays."
    )

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """Its kernels are written in Triton, for one GPU."""
        if find_spec("unsloth") is None:
            return "The package 'unsloth' is not installed: pip install llmbench-unsloth."
        if environment.device != "cuda":
            return "Unsloth's kernels need a GPU: take lora or qlora here."
        return None

    def load_kwargs(self, settings: Settings, environment: Environment) -> dict[str, Any]:
        """Where in 4 bits, the quantisation of `qlora`."""
        return Qlora().load_kwargs(settings, environment) if self.method == "qlora" else {}

    def load(self, source: str, options: Mapping[str, Any], settings: Settings) -> Any:
        """The model as Unsloth loads and patches it, from the same files, none of its own."""
        for name, value in surroundings().items():
            os.environ.setdefault(name, value)
        from transformers import AutoConfig
        from unsloth import FastLanguageModel

        told = {name: options[name] for name in ("revision", "trust_remote_code")}
        config = AutoConfig.from_pretrained(source, **told)
        with tempfile.TemporaryDirectory() as folder:
            model, _ = FastLanguageModel.from_pretrained(
                source,
                max_seq_length=config.max_position_embeddings,  # it cuts what is longer
                load_in_4bit=self.method == "qlora",
                use_exact_model_name=True,
                use_gradient_checkpointing=self.kept(),
                offload_embedding=False,
                **tokenizer(source, Path(folder)),
                **options,
            )
        os.environ[LOGITS] = "1"
        return model

    def prepare(self, model: Any, settings: Settings) -> Any:
        """Freeze the model and add the adapters, as Unsloth does it."""
        import torch
        from unsloth import FastLanguageModel

        return FastLanguageModel.get_peft_model(
            model,
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self.target_modules(),
            use_gradient_checkpointing=self.kept(),
            random_state=int(torch.randint(2**31, ())),  # it seeds anew; this is the cell's seed
        )

    @contextmanager
    def training(self) -> Iterator[None]:
        """Have the loss computed without the logits of all tokens, in training alone."""
        os.environ[LOGITS] = "0"
        try:
            yield
        finally:
            os.environ[LOGITS] = "1"

    def kept(self) -> Literal["unsloth", False]:
        """Its own checkpointing, as it recommends, or none."""
        return "unsloth" if self.checkpointing else False


def surroundings() -> dict[str, str]:
    """What Unsloth reads from the environment as it is imported.

    By itself it fetches a file from the hub to count its users, and writes modules that it makes
    into the folder that the command was called from.
    """
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return {
        "UNSLOTH_DISABLE_STATISTICS": "1",
        "UNSLOTH_COMPILE_LOCATION": str(kept / "unsloth_compiled_cache"),
    }


def tokenizer(source: str, folder: Path) -> dict[str, Any]:
    """Which tokenizer Unsloth is to load with the model, as it will not go without any.

    llmbench writes the tokens: a folder that has no tokenizer gets one of three words.
    """
    if not Path(source).is_dir() or any((Path(source) / n).exists() for n in TOKENIZER_FILES):
        return {}
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    words = {word: number for number, word in enumerate(special.values())}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=made, **special).save_pretrained(folder)
    return {"tokenizer_name": str(folder)}


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `unsloth`."""
    register(Unsloth)
