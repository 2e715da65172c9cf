"""What kind of language model it is: the class that loads it, and what it would do by itself."""

from __future__ import annotations

from typing import Any

from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BitsAndBytesConfig,
    GenerationConfig,
)
from transformers.models.auto import modeling_auto as known

from llmbench.errors import ModelError
from llmbench.plugin.strategy import CannotRun
from llmbench.record.record import ModelRef
from llmbench.text import listed

MOST_TOKENS = 2**20
"""Tokens of a sequence where the model does not say how long one may be."""
KNOWN = {
    AutoModelForCausalLM: known.MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoModelForSeq2SeqLM: known.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
}
"""The configurations that each class has a model for."""
REWRITES_WEIGHTS = frozenset({"rwkv"})
"""Models whose own code rescales their weights between training and evaluation."""
BOTH_WAYS = frozenset({"xlnet"})
"""Models that are listed as causal, and see the whole text all the same."""
READS_PADDING = frozenset({"rwkv", "recurrent_gemma"})
"""Models that take padding before a prompt for a part of it, whatever its mask says."""
TOKENS = (
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
)
"""What is kept of how a model says that it generates: which tokens begin and end a text. The
forced one is the language that a translating model writes."""
SAMPLING = frozenset(
    {
        "do_sample",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "typical_p",
        "epsilon_cutoff",
        "eta_cutoff",
        "num_beams",
        "early_stopping",
        "length_penalty",
        "max_length",
        "max_new_tokens",
        "forced_eos_token_id",
        "use_cache",
        "cache_implementation",
        "transformers_version",
        "_from_model_config",
    }
)
"""What greedy decoding of a given length has no use for, so that leaving it out needs no word."""


def config_of(source: str, ref: ModelRef) -> Any:
    """The model's configuration."""
    return AutoConfig.from_pretrained(
        source, revision=ref.revision, trust_remote_code=ref.remote_code
    )


def class_of(config: Any, name: str) -> Any:
    """The class of transformers that loads the model; CannotRun where it writes no text.

    An encoder sees the whole text at once. Taken for a language model it learns to copy the token
    that it is to predict, with a loss that looks very good.
    """
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    if encodes(config):
        raise CannotRun(
            f"'{name}' is an encoder ({config.model_type}), which sees the whole text at once and "
            "cannot learn to continue it: take a decoder, or an encoder-decoder such as T5."
        )
    if type(config) in KNOWN[auto] or auto.__name__ in (getattr(config, "auto_map", None) or {}):
        return auto
    if getattr(config, "vision_config", None) is not None:
        raise CannotRun(
            f"'{name}' ({config.model_type}) is made to see images: save its language model "
            "in a folder of its own, and name that."
        )
    raise CannotRun(
        f"'{name}' ({config.model_type}) is none of transformers' models that write text: take a "
        "decoder, or an encoder-decoder such as T5."
    )


def encodes(config: Any) -> bool:
    """Whether the model sees what comes after a token as well as what comes before it."""
    if config.is_encoder_decoder or getattr(config, "is_decoder", False):
        return False
    return type(config) in known.MODEL_FOR_MASKED_LM_MAPPING or config.model_type in BOTH_WAYS


def paired(config: Any) -> bool:
    """Whether an encoder reads the prompt, and a decoder of its own writes the answer."""
    return bool(config.is_encoder_decoder)


def writes(model: Any) -> bool:
    """Whether it continues texts: a model with code of its own may say `writes_text = False`.

    Its loss is then whatever its `forward` gives for `input_ids` and `labels`.
    """
    return bool(getattr(model, "writes_text", True))


def embeddings(model: Any) -> tuple[Any, ...]:
    """The modules that token ids go into: an encoder and its decoder may have one each."""
    stacks = (model.get_encoder(), model.get_decoder()) if paired(model.config) else (model,)
    modules = [stack.get_input_embeddings() for stack in stacks]
    return tuple({id(module): module for module in modules}.values())


def longest(model: Any) -> int:
    """The most tokens of a sequence that the model has positions for."""
    most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return int(most) if most and most > 0 else MOST_TOKENS


def vocabulary(model: Any) -> int:
    """How many tokens the model knows, also where a language model is part of a larger one."""
    return int(model.config.get_text_config().vocab_size)


def check_length(model: Any, name: str, tokens: int, option: str) -> None:
    """ModelError for more tokens than the model has positions for, and the option to lower."""
    most = longest(model)
    if tokens > most:
        raise ModelError(
            f"'{name}' has positions for {most:,} tokens, and {tokens:,} are more: lower {option}."
        )


def stored_quantization(config: Any) -> Any | None:
    """How the weights are quantised in the files already; None for whole ones."""
    stored = getattr(config, "quantization_config", None)
    if stored is None:
        return None
    values = stored if isinstance(stored, dict) else stored.to_dict()
    return BitsAndBytesConfig.from_dict(values)


def kind_of(quantization: Any) -> str:
    """What people call it: NF4, FP4, LLM.int8(), or what a strategy's own way is named."""
    if not isinstance(quantization, BitsAndBytesConfig):
        method = quantization.quant_method
        return method if type(method) is str else f"{method.value}'s format"
    four = bool(quantization.load_in_4bit)
    return str(quantization.bnb_4bit_quant_type).upper() if four else "LLM.int8()"


def neutralize(model: Any) -> tuple[str, ...]:
    """Have the model compute and decode as all others do; gives a sentence for each change.

    Penalties and bans of its own make greedy decoding something else. The loss that balances the
    experts of a mixture is no part of the cross entropy that is compared.
    """
    said = []
    own = getattr(model, "generation_config", None)
    if own is not None:
        asked = own.to_diff_dict()
        dropped = {k: v for k, v in asked.items() if k not in SAMPLING and k not in TOKENS and v}
        model.generation_config = GenerationConfig(**{k: asked[k] for k in TOKENS if k in asked})
        if dropped:
            names = listed([f"{name}={value}" for name, value in sorted(dropped.items())])
            said.append(
                f"Decoding is greedy in every run: {names}, which the model's "
                "generation_config.json asks for, is left out."
            )
    routed = [c for c in _configs(model.config) if getattr(c, "output_router_logits", False)]
    for config in routed:
        config.output_router_logits = False
    if routed:
        said.append(
            "The loss is the cross entropy alone: that which balances the load of the experts "
            "(output_router_logits) is left out."
        )
    return tuple(said)


def _configs(config: Any) -> tuple[Any, ...]:
    return config, config.get_text_config()
