"""A model that a plugin offers under an alias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Model:
    """An alias for a model: where its weights are, and its architecture without them."""

    id: str
    """Kebab-case alias, as typed after `--model`."""
    summary: str
    """One line for `llmbench list models`."""
    hub_id: str | None = None
    """Where `--weights pretrained` finds it; None for a model that ships as files."""
    folder: Path | None = None
    """A folder with config, tokenizer and weights, for a model that ships as files. Without weights
    it is for `--weights random`, and `--train-from-scratch`."""
    config: Path | None = None
    """A folder with the architecture's `config.json`, for `--weights random` without a download."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Settings that suit this model better than llmbench's own defaults."""
    seeds: int | None = None
    """How many seeds it is compared with unless it is said; None for llmbench's own default."""
    learning_rates: Mapping[str, float] = field(default_factory=dict)
    """The best learning rates on the data that it ships with, by composition without the parts
    that change memory or kernels alone: `{"full": 1e-3, "lora": 1e-2}`. Such compositions are not
    tuned again."""

    @property
    def ships_weights(self) -> bool:
        """Whether its folder holds weights; one without has a shape and a tokenizer alone."""
        return self.folder is not None and any(self.folder.glob("*.safetensors"))
