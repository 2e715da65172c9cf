"""`python make.py DIR`: small pictures with captions, a tokenizer for both, two models for them.

A picture is 12 x 12 pixels, each of which is a word of its text: `r` for red, `.` for nothing. So a
picture is a prompt of 144 tokens, and any tool that reads texts reads pictures. The models are
trained here on squares and rings alone: crosses are left to be learnt. The code that they need is
saved beside them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

SIDE = 12
COLOURS = {"red": "r", "green": "g", "blue": "b", "yellow": "y"}
SHAPES = {
    "square": lambda x, y: True,
    "ring": lambda x, y: 4 in (abs(2 * x - 4), abs(2 * y - 4)),
    "cross": lambda x, y: 2 in (x, y),
}
"""Whether a pixel of a shape, 5 pixels wide, is there."""
MOVES = ((0, 0), (0, 1), (1, 0), (1, 1))
"""By how many pixels a shape is moved; the last is kept for what is evaluated."""
CORNERS = {"top left": (0, 0), "top right": (0, 6), "bottom left": (6, 0), "bottom right": (6, 6)}
PIXELS = ".rgby"
SPECIAL = ("<pad>", "</s>", "<unk>")


def pictures(
    moves: Iterable[tuple[int, int]], shapes: Iterable[str] = SHAPES
) -> Iterator[dict[str, str]]:
    """Rows of pixels and caption: a picture of every caption for each move."""
    for move, colour, shape, corner in product(moves, COLOURS, shapes, CORNERS):
        top, left = map(sum, zip(CORNERS[corner], move, strict=True))
        rows = [["."] * SIDE for _ in range(SIDE)]
        for x, y in product(range(5), range(5)):
            if SHAPES[shape](x, y):
                rows[top + y][left + x] = COLOURS[colour]
        pixels = " ".join(pixel for row in rows for pixel in row)
        yield {"pixels": pixels, "caption": f"a {colour} {shape} at the {corner}"}


def tokenizer() -> Any:
    """A token for every pixel and every word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    said = " ".join(row["caption"] for row in pictures(MOVES[:1])).split()
    words = dict.fromkeys([*SPECIAL, *PIXELS, *sorted(set(said))])
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, "<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def trained(model: Any, words: Any, steps: int) -> Any:
    """The model after so many steps on squares and rings."""
    import torch

    known = pictures(MOVES[:-1], ("square", "ring"))
    texts = [f"{row['pixels']} {row['caption']} </s>" for row in known]
    ids = words(texts, return_tensors="pt")["input_ids"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(steps):
        chosen = torch.randperm(len(ids))[:16]
        draws = torch.full((16,), step)  # of noise, where there is any
        model(input_ids=ids[chosen], draws=draws).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def make(folder: Path, steps: int = 300) -> None:
    """Write `train.jsonl`, `eval.jsonl`, and the models that can be made here."""
    import torch

    for name, moves in (("train", MOVES[:-1]), ("eval", MOVES[-1:])):
        rows = "".join(json.dumps(row) + "\n" for row in pictures(moves))
        (folder / f"{name}.jsonl").write_text(rows, "utf-8")
    words = tokenizer()
    for name, module, kind in KINDS:
        try:
            made = __import__(module)
        except ImportError as error:  # diffusers is not everywhere
            sys.stdout.write(f"{name} is left out: {error}\n")
            continue
        made.PicturesConfig.register_for_auto_class()
        model = getattr(made, kind)
        model.register_for_auto_class("AutoModelForCausalLM")
        torch.manual_seed(0)
        fresh = model(made.PicturesConfig(vocab_size=len(words)))
        trained(fresh, words, steps).save_pretrained(folder / name)
        words.save_pretrained(folder / name)


KINDS = (
    ("clip", "contrastive", "PicturesClip"),
    ("unet", "diffusion", "PicturesDiffusion"),
)
"""Folders, and the classes beside this file that are saved in them."""

if __name__ == "__main__":
    make(Path(sys.argv[1]))
