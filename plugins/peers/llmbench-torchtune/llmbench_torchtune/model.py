"""A decoder of torchtune that is called as transformers' models are. Worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from torchtune.models.convert_weights import (
    hf_to_tune,
    tune_to_peft_adapter_config,
    tune_to_peft_adapter_weights,
)
from torchtune.models.llama3 import lora_llama3
from torchtune.modules import TransformerSelfAttentionLayer
from torchtune.modules.loss import CEWithChunkedOutputLoss
from torchtune.modules.peft import (
    LoRALinear,
    get_adapter_params,
    get_adapter_state_dict,
    set_trainable_params,
)
from torchtune.modules.tied_linear import TiedLinear
from torchtune.training import set_activation_checkpointing, set_default_dtype
from transformers import AutoModelForCausalLM, GenerationMixin, LlamaPreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

IGNORED = -100
ATTENTION = ["q_proj", "k_proj", "v_proj", "output_proj"]
TARGETS = [*ATTENTION, "w1", "w2", "w3"]


class Unknown(Exception):
    """The model is none that is built here."""


class Decoder(LlamaPreTrainedModel, GenerationMixin):
    """torchtune's decoder with the surface of a causal language model.

    It generates without a cache: every token is computed from the whole text.
    """

    def __init__(self, config: Any, decoder: nn.Module, lora: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.model = decoder
        self.lora = dict(lora)
        self.loss = CEWithChunkedOutputLoss()
        decoder.set_num_output_chunks(self.loss.num_output_chunks)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        tokens: torch.Tensor | None = None,
        **_: Any,
    ) -> Any:
        """Loss and logits of `input_ids`, as transformers has them; of `tokens`, as the recipe."""
        if tokens is not None:
            return self.model(tokens)
        assert input_ids is not None
        chunks = self.model(input_ids, **places(attention_mask))
        loss = None if labels is None else self.loss(chunks, shifted(labels))
        return CausalLMOutputWithPast(loss=loss, logits=torch.cat(chunks, dim=1))

    def get_input_embeddings(self) -> nn.Module:
        """Where tokens go in."""
        return self.model.tok_embeddings

    def get_output_embeddings(self) -> nn.Module | None:
        """Where logits come out; None where it is the input's."""
        return self.model.output if isinstance(self.model.output, nn.Module) else None

    def prepare_inputs_for_generation(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> dict[str, Any]:
        """The whole text, each time."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def save_pretrained(self, folder: str | Path, **_: Any) -> None:
        """Save the adapters in peft's format."""
        target, config = Path(folder), self.config
        target.mkdir(parents=True, exist_ok=True)
        weights = tune_to_peft_adapter_weights(
            get_adapter_state_dict(self.model.state_dict()), **shape(config)
        )
        save_file(
            {n: w.contiguous() for n, w in weights.items()}, target / "adapter_model.safetensors"
        )
        told = {"r": self.lora["lora_rank"], "lora_alpha": self.lora["lora_alpha"]}
        told |= {"target_modules": list(TARGETS), "peft_type": "LORA", "task_type": "CAUSAL_LM"}
        text = json.dumps(tune_to_peft_adapter_config(told), indent=2)
        (target / "adapter_config.json").write_text(text, "utf-8")


def shifted(labels: torch.Tensor) -> torch.Tensor:
    """The label that each position predicts: the next one, and none at the end."""
    return torch.cat((labels[:, 1:], torch.full_like(labels[:, :1], IGNORED)), dim=1)


def places(seen: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The mask and the positions of texts that are padded on the left, in torchtune's words."""
    if seen is None or bool(seen.all()):
        return {}
    length = seen.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=seen.device).tril()
    itself = torch.eye(length, dtype=torch.bool, device=seen.device)  # padding sees that alone
    mask = causal & seen.bool()[:, None, :] | itself
    return {"mask": mask, "input_pos": (seen.cumsum(1) - 1).clamp(min=0)}


def shape(config: Any) -> dict[str, int]:
    """What torchtune's conversions have to know."""
    return {
        "num_heads": config.num_attention_heads,
        "num_kv_heads": config.num_key_value_heads,
        "dim": config.hidden_size,
    }


def loaded(source: str, options: Mapping[str, Any], lora: Mapping[str, Any]) -> Decoder:
    """The model of a folder or a hub; Unknown where torchtune's Llama is another."""
    base = AutoModelForCausalLM.from_pretrained(source, **options)
    config, device = base.config, base.device
    check(config)
    held = hf_to_tune(base.state_dict(), **shape(config))
    with torch.device("meta"), set_default_dtype(base.dtype):
        decoder = lora_llama3(
            ATTENTION,
            apply_lora_to_mlp=True,
            vocab_size=config.vocab_size,
            num_layers=config.num_hidden_layers,
            num_heads=config.num_attention_heads,
            num_kv_heads=config.num_key_value_heads,
            embed_dim=config.hidden_size,
            max_seq_len=config.max_position_embeddings,
            intermediate_dim=config.intermediate_size,
            norm_eps=config.rms_norm_eps,
            rope_base=config.rope_parameters["rope_theta"],
            **lora,
        )
    if config.tie_word_embeddings:
        del decoder.output  # which is no module then
        decoder.output = TiedLinear(decoder.tok_embeddings)
        held.pop("output.weight", None)
    decoder.load_state_dict(held, strict=False, assign=True)
    for module in decoder.modules():
        if isinstance(module, LoRALinear):
            module.to_empty(device=device)
        if hasattr(module, "rope_init"):
            with device:
                module.rope_init()
    return adapted(Decoder(config, decoder, lora), checkpointing=False)


def check(config: Any) -> None:
    """Raise Unknown for what torchtune's Llama does not compute."""
    rope = getattr(config, "rope_parameters", None) or {}
    wide = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    plain = (
        config.model_type == "llama"
        and rope.get("rope_type", "default") == "default"
        and wide * config.num_attention_heads == config.hidden_size
        and not (config.attention_bias or config.mlp_bias)
    )
    if not plain:
        raise Unknown(
            "torchtune builds Llama with plain rotary positions here, which this model "
            f"({config.model_type}, {rope.get('rope_type')} positions) is not: take another one."
        )


def adapted(model: Decoder, checkpointing: bool) -> Decoder:
    """The model frozen but for its adapters, which begin at zero."""
    for module in model.modules():
        if isinstance(module, LoRALinear):
            module.initialize_parameters()
    set_trainable_params(model.model, get_adapter_params(model.model))
    if checkpointing:
        layers = {TransformerSelfAttentionLayer}
        set_activation_checkpointing(model.model, auto_wrap_policy=layers)
    return model
