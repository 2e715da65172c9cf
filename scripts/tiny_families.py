"""Tiny models with random weights, one for each family of architectures.

Each has a few layers of widths that quantisation's blocks of 64 divide, and the vocabulary of the
shipped tokenizer. `docs/compatibility.md` and the suite are made with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOKENIZER = Path(__file__).parents[1] / "plugins" / "llmbench_models" / "tiny"
VOCABULARY, BOS, EOS, PAD = 1536, 0, 1, 2
COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
    "pad_token_id": PAD,
}
"""What nearly every configuration takes, under these names or as aliases of its own."""
LLAMA = {**COMMON, "num_key_value_heads": 2, "intermediate_size": 128, "head_dim": 16}
EXPERTS = {**LLAMA, "moe_intermediate_size": 64, "num_experts": 4, "num_experts_per_tok": 2}
LATENT = {
    **EXPERTS,
    "num_key_value_heads": 4,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "kv_lora_rank": 64,
    "q_lora_rank": 64,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 16,
    "v_head_dim": 16,
    "head_dim": 16,
}
PAIR = {
    "vocab_size": VOCABULARY,
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "max_position_embeddings": 256,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
    "pad_token_id": PAD,
    "decoder_start_token_id": EOS,
    "forced_eos_token_id": None,
}
T5 = {
    "vocab_size": VOCABULARY,
    "d_model": 64,
    "d_kv": 16,
    "d_ff": 128,
    "num_layers": 2,
    "num_heads": 4,
    "eos_token_id": EOS,
    "pad_token_id": PAD,
    "decoder_start_token_id": PAD,
}
UNBOUNDED = {k: v for k, v in COMMON.items() if k != "max_position_embeddings"}
SPARSE = {
    "num_experts": 4,
    "num_decoder_layers": 2,
    "num_sparse_encoder_layers": 1,
    "num_sparse_decoder_layers": 1,
}
ENCODER = {**COMMON, "intermediate_size": 128, "embedding_size": 64}
VISION = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 14,
}
MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}


@dataclass(frozen=True)
class Family:
    """An architecture: transformers' name of it, and its configuration."""

    name: str
    model_type: str
    config: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    text: Mapping[str, Any] = field(default_factory=dict)
    """Of a model that also sees: the configuration of the language model inside."""

    def made(self) -> Any:
        """The configuration."""
        from transformers import AutoConfig

        options = {**self.config, **self.extra}
        if self.text:
            options["text_config"] = {**self.config, **self.text}
        return AutoConfig.for_model(self.model_type, **options)


DECODERS = (
    Family("Llama", "llama", LLAMA),
    Family("Mistral", "mistral", LLAMA),
    Family("Qwen 2", "qwen2", LLAMA),
    Family("Qwen 3", "qwen3", LLAMA),
    Family("Gemma", "gemma", LLAMA),
    Family("Gemma 2", "gemma2", LLAMA),
    Family("Gemma 3", "gemma3_text", LLAMA),
    Family("Phi", "phi", LLAMA),
    Family("Phi 3", "phi3", LLAMA),
    Family("GPT-2", "gpt2", COMMON),
    Family("GPT-Neo", "gpt_neo", COMMON, {"attention_types": [[["global", "local"], 1]]}),
    Family("GPT-NeoX, Pythia", "gpt_neox", COMMON, {"intermediate_size": 128}),
    Family("GPT-J", "gptj", COMMON, {"rotary_dim": 8}),
    Family("OpenAI GPT", "openai-gpt", COMMON),
    Family("OPT", "opt", COMMON, {"ffn_dim": 128, "word_embed_proj_dim": 64}),
    Family("BLOOM", "bloom", COMMON),
    Family("Falcon", "falcon", COMMON),
    Family("MPT", "mpt", COMMON, {"max_seq_len": 256, "expansion_ratio": 2}),
    Family("StableLM", "stablelm", LLAMA),
    Family("OLMo 2", "olmo2", LLAMA),
    Family("Cohere", "cohere", LLAMA),
    Family("Granite", "granite", LLAMA),
    Family("StarCoder 2", "starcoder2", LLAMA),
    Family("SmolLM 3", "smollm3", LLAMA),
    Family("XGLM", "xglm", COMMON, {"ffn_dim": 128, "attention_heads": 4, "num_layers": 2}),
    Family("CodeGen", "codegen", COMMON, {"rotary_dim": 8}),
    Family("CTRL", "ctrl", COMMON, {"dff": 128}),
    Family("BioGPT", "biogpt", {**COMMON, "intermediate_size": 128}),
)
EXPERT_FAMILIES = (
    Family("Mixtral", "mixtral", EXPERTS, {"num_local_experts": 4}),
    Family("Qwen 2 MoE", "qwen2_moe", EXPERTS, {"shared_expert_intermediate_size": 64}),
    Family("Qwen 3 MoE", "qwen3_moe", EXPERTS),
    Family("OLMoE", "olmoe", EXPERTS),
    Family("Granite MoE", "granitemoe", EXPERTS, {"num_local_experts": 4}),
    Family("gpt-oss", "gpt_oss", EXPERTS, {"num_local_experts": 4, "sliding_window": 64}),
    Family("DeepSeek V2", "deepseek_v2", LATENT),
    Family("DeepSeek V3", "deepseek_v3", LATENT),
)
STATES = (
    Family("Mamba", "mamba", COMMON, {"state_size": 8, "use_mambapy": False}),
    Family(
        "Mamba 2",
        "mamba2",
        COMMON,
        {"state_size": 16, "num_heads": 8, "head_dim": 16, "n_groups": 1, "chunk_size": 32},
    ),
    Family("RWKV", "rwkv", COMMON, {"attention_hidden_size": 64, "context_length": 256}),
    Family(
        "Jamba",
        "jamba",
        EXPERTS,
        {
            "use_mamba_kernels": False,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "mamba_d_state": 8,
            "mamba_dt_rank": 8,
        },
    ),
    Family(
        "Qwen 3 Next",
        "qwen3_next",
        EXPERTS,
        {
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
            "shared_expert_intermediate_size": 64,
        },
    ),
)
PAIRS = (
    Family("T5", "t5", T5),
    Family(
        "FLAN-T5", "t5", {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    ),
    Family("mT5", "mt5", T5),
    Family("Long T5", "longt5", T5),
    Family("BART", "bart", PAIR),
    Family("mBART", "mbart", PAIR),
    Family("Pegasus", "pegasus", PAIR, {"decoder_start_token_id": PAD}),
    Family("Marian", "marian", PAIR, {"decoder_start_token_id": PAD}),
    Family("Blenderbot", "blenderbot", PAIR),
    Family("LED", "led", PAIR, {"attention_window": 32, "max_encoder_position_embeddings": 256}),
    Family("Switch Transformers", "switch_transformers", T5, SPARSE),
)
ENCODERS = (
    Family("BERT", "bert", ENCODER),
    Family("RoBERTa", "roberta", ENCODER),
    Family("ELECTRA", "electra", ENCODER),
    Family("DistilBERT", "distilbert", ENCODER),
    Family("ModernBERT", "modernbert", ENCODER),
    Family("XLNet", "xlnet", UNBOUNDED, {"d_inner": 128, "d_head": 16}),
)
SEEING = (
    Family(
        "LLaVA",
        "llava",
        {},
        {
            "vision_config": {"model_type": "clip_vision_model", **VISION},
            "image_token_index": 5,
        },
        {"model_type": "llama", **LLAMA},
    ),
    Family(
        "Qwen 2 VL",
        "qwen2_vl",
        {},
        {"vision_config": {"depth": 1, "embed_dim": 64, "hidden_size": 64, "num_heads": 4}},
        {"model_type": "qwen2_vl_text", **LLAMA, "rope_parameters": MROPE},
    ),
    Family(
        "Gemma 3, multimodal",
        "gemma3",
        {},
        {
            "vision_config": {"model_type": "siglip_vision_model", **VISION},
            "mm_tokens_per_image": 4,
        },
        {"model_type": "gemma3_text", **LLAMA},
    ),
)
FAMILIES = (*DECODERS, *EXPERT_FAMILIES, *STATES, *PAIRS, *ENCODERS, *SEEING)


def save(family: Family, folder: Path) -> Path:
    """Make the model and write it with its tokenizer, as `--model` takes a folder."""
    import torch
    from transformers import AutoTokenizer

    torch.manual_seed(0)
    config = family.made()
    model_class(config)(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(TOKENIZER).save_pretrained(folder)
    return folder


def model_class(config: Any) -> Any:
    """The class that people save such a model from."""
    from transformers.models.auto import modeling_auto as auto

    for mapping in (
        auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
        auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        auto.MODEL_FOR_MASKED_LM_MAPPING,
        auto.MODEL_FOR_CAUSAL_LM_MAPPING,
    ):
        if type(config) in mapping:
            return mapping[type(config)]
    raise ValueError(f"{config.model_type} has no class")
