"""A small diffusion model of pictures, by diffusers: it predicts the noise (Ho et al., 2020).

It writes no text, and says so: llmbench then takes its loss and asks it through metrics alone.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DModel
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ModelOutput

SIDE = 12
PIXELS = SIDE * SIDE
FIRST = 3
"""The token of the first colour: `<pad>`, `</s>` and `<unk>` come before it."""
COLOURS = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 1.0, 0.0))
TIMES = 100
"""Steps from a picture to noise."""


class PicturesConfig(PretrainedConfig):
    """How many words there are; the rest is fixed."""

    model_type = "pictures-diffusion"

    def __init__(self, vocab_size: int = 32, **others: Any) -> None:
        self.vocab_size, self.max_position_embeddings = vocab_size, PIXELS + 16
        super().__init__(**{"pad_token_id": 0, "eos_token_id": 1, **others})


class PicturesDiffusion(PreTrainedModel):
    """diffusers' own UNet, called with a picture's tokens; captions play no part."""

    config_class = PicturesConfig
    writes_text = False

    def __init__(self, config: PicturesConfig) -> None:
        super().__init__(config)
        self.unet = UNet2DModel(
            sample_size=SIDE,
            block_out_channels=(16, 32),
            layers_per_block=1,
            norm_num_groups=8,
            attention_head_dim=8,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        )
        self.noising = DDPMScheduler(num_train_timesteps=TIMES)
        self.register_buffer("colours", torch.tensor(COLOURS) * 2 - 1)
        self.post_init()

    def get_input_embeddings(self) -> torch.nn.Module:
        """What a picture goes into first."""
        return self.unet.conv_in

    def errors(self, input_ids: torch.Tensor, draws: torch.Tensor, times: Any = None) -> Any:
        """The mean square error of each picture's noise, of which `draws` chooses one.

        The same picture and the same draw have the same noise, and the same time unless it is
        given: methods are held against each other on equal noise.
        """
        clean = self.colours[input_ids[:, :PIXELS] - FIRST]
        clean = clean.reshape(-1, SIDE, SIDE, 3).permute(0, 3, 1, 2)
        chosen = zip(input_ids, draws.tolist(), strict=True)
        noise, drawn = zip(*(_drawn(row, number) for row, number in chosen), strict=True)
        noise = torch.stack(noise).to(clean)
        times = torch.stack(drawn).to(clean.device) if times is None else times
        noisy = self.noising.add_noise(clean, noise, times)
        return (self.unet(noisy, times).sample - noise).square().mean((1, 2, 3))

    def forward(
        self, input_ids: torch.Tensor, labels: Any = None, draws: Any = None, **_: Any
    ) -> ModelOutput:
        """The loss of a batch; without `draws`, of the first noise of each picture."""
        draws = torch.zeros(len(input_ids), dtype=torch.long) if draws is None else draws
        return ModelOutput(loss=self.errors(input_ids, draws).mean())


def _drawn(ids: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture's noise and its time, by the pixels and the number of the draw."""
    places = torch.arange(1, PIXELS + 1, device=ids.device)
    seed = int((ids[:PIXELS] * places).sum()) * 1000 + number
    drawn = torch.Generator().manual_seed(seed)
    noise = torch.randn((3, SIDE, SIDE), generator=drawn)
    return noise, torch.randint(TIMES, (), generator=drawn)
