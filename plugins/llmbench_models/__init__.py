"""The built-in models: the one that ships, and aliases with the architecture of known ones.

The configs under `configs/` hold the shapes that the models' authors publish, and nothing else,
so that `--weights random` builds them without a download.
"""

from collections.abc import Callable
from pathlib import Path

from llmbench import hookimpl
from llmbench.model import Model

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
)

ALIASES = {
    "llama-2-7b": ("meta-llama/Llama-2-7b-hf", "Llama 2, 6.7 billion parameters"),
    "llama-2-13b": ("meta-llama/Llama-2-13b-hf", "Llama 2, 13.0 billion parameters"),
    "llama-3.1-8b": ("meta-llama/Llama-3.1-8B", "Llama 3.1, 8.0 billion parameters"),
    "llama-3.2-1b": ("meta-llama/Llama-3.2-1B", "Llama 3.2, 1.2 billion parameters"),
    "mistral-7b": ("mistralai/Mistral-7B-v0.3", "Mistral v0.3, 7.2 billion parameters"),
    "qwen2.5-0.5b": ("Qwen/Qwen2.5-0.5B", "Qwen 2.5, 0.5 billion parameters"),
    "qwen2.5-7b": ("Qwen/Qwen2.5-7B", "Qwen 2.5, 7.6 billion parameters"),
    "gpt2": ("openai-community/gpt2", "GPT-2, 124 million parameters"),
    "pythia-410m": ("EleutherAI/pythia-410m", "Pythia, 405 million parameters"),
}


@hookimpl
def register_models(register: Callable[[Model], None]) -> None:
    """Offer the shipped model and the aliases."""
    register(TINY)
    for alias, (hub_id, summary) in ALIASES.items():
        register(Model(alias, summary, hub_id=hub_id, config=HERE / "configs" / alias))
