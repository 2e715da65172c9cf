"""A CLIP of two layers that tells which caption belongs to which picture (Radford et al., 2021).

It writes no text, and says so: llmbench then takes its loss and asks it through metrics alone.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import CLIPConfig, CLIPModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ModelOutput

SIDE = 12
PIXELS = SIDE * SIDE
FIRST = 3
"""The token of the first colour: `<pad>`, `</s>` and `<unk>` come before it."""
COLOURS = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 1.0, 0.0))
WIDTHS = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


class PicturesConfig(PretrainedConfig):
    """How many words there are; the rest is fixed."""

    model_type = "pictures-clip"

    def __init__(self, vocab_size: int = 32, **others: Any) -> None:
        self.vocab_size, self.max_position_embeddings = vocab_size, PIXELS + 16
        super().__init__(**{"pad_token_id": 0, "eos_token_id": 1, **others})


class PicturesClip(PreTrainedModel):
    """transformers' own CLIP, called with a picture's tokens and those of its caption."""

    config_class = PicturesConfig
    writes_text = False

    def __init__(self, config: PicturesConfig) -> None:
        super().__init__(config)
        ends = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
        text = WIDTHS | ends | {"vocab_size": config.vocab_size, "max_position_embeddings": 16}
        vision = WIDTHS | {"image_size": SIDE, "patch_size": 4}
        shape = CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)
        self.clip = CLIPModel(shape)
        self.register_buffer("colours", torch.tensor(COLOURS))
        self.post_init()

    def get_input_embeddings(self) -> torch.nn.Module:
        """Those of the captions."""
        return self.clip.text_model.get_input_embeddings()

    def similarities(self, input_ids: torch.Tensor, captions: torch.Tensor | None = None) -> Any:
        """Of every picture to every caption, by default its own and all others in the batch."""
        pixels = self.colours[input_ids[:, :PIXELS] - FIRST]
        words = input_ids[:, PIXELS:] if captions is None else captions
        return self.clip(
            input_ids=words,
            pixel_values=pixels.reshape(-1, SIDE, SIDE, 3).permute(0, 3, 1, 2),
            attention_mask=(words != self.config.pad_token_id).long(),
        ).logits_per_image

    def forward(self, input_ids: torch.Tensor, labels: Any = None, **_: Any) -> ModelOutput:
        """The contrastive loss of a batch, in both directions; the labels are the captions."""
        found = self.similarities(input_ids)
        own = torch.arange(len(found), device=found.device)
        entropy = torch.nn.functional.cross_entropy
        return ModelOutput(loss=(entropy(found, own) + entropy(found.T, own)) / 2)
