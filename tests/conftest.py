"""Fixtures that many test files share: the built-in plugins, and a model that is made in a blink.

Torch and transformers are imported inside the fixtures that need them, so that a test of the
parent's modules starts without them.
"""

from __future__ import annotations

import copy
import os
import signal
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from llmbench import plugin
from llmbench.plugin import catalogue
from llmbench.plugin.catalogue import Registry

# Nothing in a test may reach a hub: the address is a port of this machine that nobody serves.
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
CACHE = tempfile.TemporaryDirectory(prefix="llmbench-tests-")
os.environ["HF_HOME"] = CACHE.name
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if "PYTEST_XDIST_WORKER" in os.environ:  # others run beside it, each on a core
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell that started the tests in the background has them, and all they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadlines: the machine may be doing something else. `--hypothesis-profile=long` for the rest.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("default", max_examples=25, deadline=None, suppress_health_check=SLOW)
settings.register_profile("long", max_examples=10_000, deadline=None, suppress_health_check=SLOW)
settings.load_profile("default")

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
BUILT_IN = PROJECT["project"]["entry-points"][catalogue.GROUP]
TEXTS = (
    "Summarize the dialogue.\n\n\n\nSummary:",
    "Anna: Will you come to the party on Sunday? Tom: Yes, with a cake.",
    "Tom will come to Anna's party on Sunday and bring a cake.",
)
END = "</s>"


@pytest.fixture
def compiler() -> Iterator[None]:
    """Torch's compiler, which forgets what a test compiled."""
    yield
    import torch
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    torch.compiler.set_stance("default")


@pytest.fixture(autouse=True)
def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else the machine does, nothing is said of it."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)


@pytest.fixture
def registry() -> Iterator[Registry]:
    """What the built-in plugins register, alone, for the test to add to; all use it meanwhile."""
    found = plugin.load([EntryPoint(n, m, catalogue.GROUP) for n, m in BUILT_IN.items()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin, "registry", lambda: found)
        yield found


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user called zaphod, on a host called heartofgold, with a token."""
    for name in ("HF_HOME", "HF_TOKEN_PATH", "HF_STORED_TOKENS_PATH", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/zaphod")
    monkeypatch.setenv("USER", "zaphod")
    monkeypatch.setenv("LOGNAME", "zaphod")
    monkeypatch.setenv("HF_TOKEN", "my-own-token")
    monkeypatch.setattr("socket.gethostname", lambda: "heartofgold.example.org")


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """A byte-level tokenizer: every text is representable, rare characters take many tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=alphabet, special_tokens=[END], show_progress=False
    )
    made.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END, pad_token=END)


@pytest.fixture(scope="session")
def tiny_config(tokenizer: Any) -> Any:
    """A Llama of two layers, wide enough for bitsandbytes' blocks of 64."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )


@pytest.fixture(scope="session")
def pristine_model(tiny_config: Any) -> Any:
    """The tiny Llama with random weights; tests take a copy of it, see `model`."""
    import torch
    from transformers import LlamaForCausalLM

    torch.set_num_threads(1)  # threads cost more than such a model has to compute
    torch.manual_seed(0)
    return LlamaForCausalLM(tiny_config)


@pytest.fixture
def model(pristine_model: Any) -> Any:
    """A tiny Llama that the test may change."""
    return copy.deepcopy(pristine_model)


@pytest.fixture(scope="session")
def model_folder(
    pristine_model: Any, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny Llama and its tokenizer as a folder, as `--model` takes it."""
    folder = tmp_path_factory.mktemp("models") / "two-layers"
    pristine_model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests that need a GPU out, unless they are asked for with `-m gpu`.

    Those that use it in this process come last then: others are refused a GPU that somebody holds.
    """
    if config.getoption("-m"):
        own = ("test_precision.py", "test_memory.py")
        items.sort(key=lambda item: "gpu" in item.keywords and item.path.name in own)
        return
    needing = [item for item in items if item.get_closest_marker("gpu")]
    config.hook.pytest_deselected(items=needing)
    items[:] = [item for item in items if item not in needing]
