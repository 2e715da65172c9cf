"""The built-in models: the one that ships, and aliases with the architecture of known ones.

The configs under `configs/` hold the shapes that the models' authors publish, and nothing else,
so that `--weights random` builds them without a download.
"""

from collections.abc import Callable
from pathlib import Path

from llmbench import hookimpl
from llmbench.plugin.model import Model

HERE = Path(__file__).parent

TINY = Model(
    id="llmbench-tiny",
    summary="the small Llama that ships with llmbench, for a CPU",
    folder=HERE / "tiny",
    defaults={
        "steps": 80,
        "batch_size": 8,
        "seq_len": 192,
        "learning_rate": 1e-3,
        "eval_examples": 100,
        "eval_batch_size": 25,
        "max_new_tokens": 32,
    },
    seeds=1,  # so that the first command ends soon; its answer says what one cannot tell
    # As `llmbench compare --tune` found them on the data that ship: docs/figures.md, section 12.
    learning_rates={
        "full": 1.8e-3,
        "lora": 5.7e-3,
        "qlora": 5.7e-3,
        "lora+8-bit": 5.7e-3,
        "lora+4-bit": 5.7e-3,
    },
)

LETTERS = Model(
    id="llmbench-characters",
    summary="a Llama of single characters for the text that ships, to be trained from scratch",
    folder=HERE / "characters",
    defaults={
        "steps": 300,
        "batch_size": 16,
        "seq_len": 128,
        "learning_rate": 3e-3,
        "eval_batch_size": 22,
        "max_new_tokens": 64,
    },
    seeds=1,
    learning_rates={"full": 3e-3},  # as --tune found it, of 0.95e-3, 3e-3 and 9.5e-3
)

ALIASES = {
    "llama-2-7b": ("meta-llama/Llama-2-7b-hf", "Llama 2, 6.7 billion parameters"),
    "llama-2-13b": ("meta-llama/Llama-2-13b-hf", "Llama 2, 13.0 billion parameters"),
    "llama-3.1-8b": ("meta-llama/Llama-3.1-8B", "Llama 3.1, 8.0 billion parameters"),
    "llama-3.2-1b": ("meta-llama/Llama-3.2-1B", "Llama 3.2, 1.2 billion parameters"),
    "llama-3.2-3b": ("meta-llama/Llama-3.2-3B", "Llama 3.2, 3.2 billion parameters"),
    "mistral-7b": ("mistralai/Mistral-7B-v0.3", "Mistral v0.3, 7.2 billion parameters"),
    "qwen2.5-0.5b": ("Qwen/Qwen2.5-0.5B", "Qwen 2.5, 0.5 billion parameters"),
    "qwen2.5-7b": ("Qwen/Qwen2.5-7B", "Qwen 2.5, 7.6 billion parameters"),
    "qwen3-0.6b": ("Qwen/Qwen3-0.6B", "Qwen 3, 0.6 billion parameters"),
    "qwen3-1.7b": ("Qwen/Qwen3-1.7B", "Qwen 3, 1.7 billion parameters"),
    "qwen3-4b": ("Qwen/Qwen3-4B", "Qwen 3, 4.0 billion parameters"),
    "qwen3-8b": ("Qwen/Qwen3-8B", "Qwen 3, 8.2 billion parameters"),
    "gemma-3-270m": ("google/gemma-3-270m", "Gemma 3, 268 million parameters"),
    "gemma-3-1b": ("google/gemma-3-1b-pt", "Gemma 3, 1.0 billion parameters"),
    "smollm2-135m": ("HuggingFaceTB/SmolLM2-135M", "SmolLM2, 135 million parameters"),
    "smollm2-360m": ("HuggingFaceTB/SmolLM2-360M", "SmolLM2, 362 million parameters"),
    "smollm2-1.7b": ("HuggingFaceTB/SmolLM2-1.7B", "SmolLM2, 1.7 billion parameters"),
    "gpt2": ("openai-community/gpt2", "GPT-2, 124 million parameters"),
    "pythia-410m": ("EleutherAI/pythia-410m", "Pythia, 405 million parameters"),
    "phi-3-mini": ("microsoft/Phi-3-mini-4k-instruct", "Phi-3 mini, 3.8 billion parameters"),
    "bart-base": ("facebook/bart-base", "BART, 139 million parameters"),
    "bart-large": ("facebook/bart-large", "BART, 406 million parameters"),
    # Without weights, transformers ties T5's output layer to its embeddings: 223 and 750 million.
    "flan-t5-base": ("google/flan-t5-base", "FLAN-T5, 248 million parameters"),
    "flan-t5-large": ("google/flan-t5-large", "FLAN-T5, 783 million parameters"),
}

INSTRUCT = {
    "llama-3.2-1b-instruct": ("meta-llama/Llama-3.2-1B-Instruct", "llama-3.2-1b"),
    "llama-3.2-3b-instruct": ("meta-llama/Llama-3.2-3B-Instruct", "llama-3.2-3b"),
    "gemma-3-270m-it": ("google/gemma-3-270m-it", "gemma-3-270m"),
    "gemma-3-1b-it": ("google/gemma-3-1b-it", "gemma-3-1b"),
    "smollm2-135m-instruct": ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-135m"),
    "smollm2-360m-instruct": ("HuggingFaceTB/SmolLM2-360M-Instruct", "smollm2-360m"),
    "smollm2-1.7b-instruct": ("HuggingFaceTB/SmolLM2-1.7B-Instruct", "smollm2-1.7b"),
}
"""Aliases of models that follow instructions: hub id, and the alias whose shape each has."""


@hookimpl
def register_models(register: Callable[[Model], None]) -> None:
    """Offer the shipped model and the aliases."""
    register(TINY)
    register(LETTERS)
    for alias, (hub_id, summary) in ALIASES.items():
        register(_model(alias, hub_id, summary, shape=alias))
    for alias, (hub_id, base) in INSTRUCT.items():
        register(_model(alias, hub_id, f"{ALIASES[base][1]}, instruction-tuned", shape=base))


def _model(alias: str, hub_id: str, summary: str, shape: str) -> Model:
    return Model(alias, summary, hub_id=hub_id, config=HERE / "configs" / shape)
