"""Pre-train the shipped tiny Llama: `python scripts/make_tiny.py`.

It takes about a quarter of an hour on one CPU core. The model then knows the little world of
`tiny_corpus` and how to copy words out of its context, and has never seen a summary.
"""

import argparse
import math
import platform
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import tokenizers
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiny_corpus import documents
from tiny_tokenizer import make_tokenizer

FOLDER = Path(__file__).parents[1] / "plugins" / "llmbench_models" / "tiny"
SEED = 7
TOKENIZER_DOCUMENTS = 20_000
ROW_TOKENS = 160
BATCH_ROWS = 8
WARMUP_STEPS = 100
PEAK_LR = 3e-3
STEPS = 3000

README = """\
# llmbench-tiny

A Llama of {parameters:,} parameters with a byte-level BPE tokenizer of its own, for trying llmbench
on a CPU. It is good for nothing else. Licence: Apache-2.0, like the package.

- Written by `OMP_NUM_THREADS={threads} python scripts/make_tiny.py`, from one seed and
  random weights, with a start that favours copying.
- Trained on {tokens:,} tokens ({steps:,} steps of AdamW in fp32, the rate falling along a cosine)
  of the text that `tiny_corpus.py` generates: dialogues with questions on who said what and which
  words occur, facts to recall, and words to repeat.
- It has not seen a summary, nor a dialogue of the shipped set, nor a dialogue about what an
  evaluated one is about.
- Loss at the end: {loss:.3f} nats a token, over the last 100 steps.
- Versions: Python {python}, torch {torch}, transformers {transformers}, tokenizers {tokenizers}.
"""


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Every width is a multiple of 64, the block size of 4-bit quantisation."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=6,
        max_position_embeddings=512,
        initializer_range=0.07,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    favour_copying(model)
    return model


@torch.no_grad()
def favour_copying(model: LlamaForCausalLM) -> None:
    """Let each head look for what is like its query, and hand on what it finds as it is.

    This is the mimetic initialisation of Trockman and Kolter (2023), with the sign that copies:
    a model this small finds out how to copy much sooner from here.
    """
    for name, weight in model.named_parameters():
        if name.endswith("k_proj.weight"):
            weight.copy_(model.get_parameter(name.replace("k_proj", "q_proj")))
        elif name.endswith("o_proj.weight"):
            weight.copy_(model.get_parameter(name.replace("o_proj", "v_proj")).T)


def batches(tokenizer: PreTrainedTokenizerFast) -> Iterator[torch.Tensor]:
    """Endless documents, packed one after another."""
    size = BATCH_ROWS * ROW_TOKENS
    ids: list[int] = []
    for document in documents(SEED + 1):
        ids += [*tokenizer.encode(document), tokenizer.eos_token_id]
        if len(ids) >= size:
            yield torch.tensor(ids[:size]).view(BATCH_ROWS, ROW_TOKENS)
            ids = ids[size:]


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up, then a half cosine down to a hundredth of the peak."""
    if step < WARMUP_STEPS:
        return PEAK_LR * (step + 1) / WARMUP_STEPS
    progress = (step - WARMUP_STEPS) / (steps - WARMUP_STEPS)
    return PEAK_LR * max(0.01, (1 + math.cos(math.pi * progress)) / 2)


def pretrain(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, steps: int
) -> list[float]:
    """Next-token training in fp32; returns the loss of every step, in nats a token."""
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.05)
    losses: list[float] = []
    for step, ids in enumerate(islice(batches(tokenizer), steps)):
        optimizer.param_groups[0]["lr"] = learning_rate(step, steps)
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step % 100 == 0:
            print(f"step {step}: loss {sum(losses[-100:]) / len(losses[-100:]):.3f}", flush=True)
    return losses


def write_readme(folder: Path, model: LlamaForCausalLM, losses: list[float]) -> None:
    """What the folder holds and how it was made."""
    loss = sum(losses[-100:]) / len(losses[-100:])
    text = README.format(
        parameters=model.num_parameters(),
        steps=len(losses),
        tokens=len(losses) * BATCH_ROWS * ROW_TOKENS,
        loss=loss,
        threads=torch.get_num_threads(),
        python=platform.python_version(),
        torch=torch.__version__,
        transformers=transformers.__version__,
        tokenizers=tokenizers.__version__,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Make the tokenizer and the model, and write both with their README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to")
    parser.add_argument("--steps", type=int, default=STEPS, help="optimiser steps")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    tokenizer = make_tokenizer(islice(documents(SEED), TOKENIZER_DOCUMENTS))
    model = make_model(tokenizer)
    losses = pretrain(model, tokenizer, arguments.steps)
    model.save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)
    write_readme(arguments.out, model, losses)


if __name__ == "__main__":
    main()
