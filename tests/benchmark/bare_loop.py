"""What the harness costs: LoRA in a bare loop, to hold its tokens per second against.

    python tests/benchmark/bare_loop.py            # on a GPU, Llama-2-7B shape
    llmbench compare --model llama-2-7b --weights random --strategies lora --steps 20

    python tests/benchmark/bare_loop.py --compiled
    llmbench compare --model llama-2-7b --weights random --steps 20 \
        --strategies 'lora+compile+fused-cross-entropy(kernel=liger)'

The loop does the same work as a training step of the harness (forward, backward, clipping, fused
AdamW, on random tokens) with transformers and peft alone, and prints its tokens per second. With
--compiled, decoder layers are compiled one by one, and liger-kernel has the output layer and loss;
with --compiled --loss compiled, llmbench's kernels have them, which never have the host wait.

Attention is left to torch without cuDNN's kernels, as in the harness: by itself torch (2.11) takes
those on an H100. With --cudnn it does, as with `cudnn-attention`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

CONFIGS = Path(__file__).parents[2] / "plugins" / "llmbench_models" / "configs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="llama-2-7b")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--seq-len", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--burn-in-steps", type=int, default=4)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--loss", choices=("liger", "compiled"), default="liger")
    parser.add_argument("--cudnn", action="store_true")
    args = parser.parse_args()
    torch.backends.cuda.enable_cudnn_sdp(args.cudnn)
    torch.backends.cuda.enable_flash_sdp(not args.cudnn)
    seconds = loop(args)[args.burn_in_steps :]
    tokens = args.batch_size * args.seq_len * len(seconds)
    peak = torch.cuda.max_memory_allocated() / 2**30
    rate = f"{tokens / sum(seconds):,.0f} tokens/s over {len(seconds)} steps"
    print(f"bare loop: {rate}, median {median(seconds):.4f} s, peak {peak:.1f} GiB")  # noqa: T201


def loop(args: argparse.Namespace) -> list[float]:
    """Seconds of each step, from a synchronised device to a synchronised device."""
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(CONFIGS / args.model)
    with torch.device("cuda"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, lora, autocast_adapter_dtype=False)
    model.train()
    if args.compiled:
        for layer in model.get_base_model().model.layers:
            layer.compile()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=2e-4, weight_decay=0.0, fused=True)
    seconds = []
    for _ in range(args.steps):
        shape = (args.batch_size, args.seq_len)
        ids = torch.randint(config.vocab_size, shape, device="cuda")
        torch.cuda.synchronize()
        started = time.perf_counter()
        loss = fused_loss(model, ids, args.loss) if args.compiled else plain_loss(model, ids)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds


def plain_loss(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    """The model's own."""
    loss: torch.Tensor = model(input_ids=ids, labels=ids, use_cache=False).loss
    return loss


def fused_loss(model: torch.nn.Module, ids: torch.Tensor, kernel: str) -> torch.Tensor:
    """The loss that never has all logits."""
    whole = model.get_base_model()  # type: ignore[operator]
    hidden = whole.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1].flatten(0, 1)
    weight, labels = whole.lm_head.weight, ids[:, 1:].reshape(-1)
    loss: torch.Tensor
    if kernel == "liger":
        from liger_kernel.transformers.functional import liger_fused_linear_cross_entropy

        loss = liger_fused_linear_cross_entropy(hidden, weight, labels)
    else:
        from llmbench_fast import chunked

        loss = chunked.linear_cross_entropy(hidden, weight, None, labels, chunked.compiled())
    return loss


if __name__ == "__main__":
    main()
