"""The arithmetic of the fast strategies on an NVIDIA GPU, against that in higher precision."""

from __future__ import annotations

import copy

import pytest
import torch

from llmbench.config import composition
from llmbench.record.settings import Settings
from llmbench.worker import batch, brought
from llmbench.worker.cell import prepared
from llmbench.worker.encoding import Tokens
from llmbench.worker.running import training_context
from llmbench_fast.fp8_linear import GRADIENT, STORED, product, rounded
from llmbench_fast.joined import WHOLE, joined
from llmbench_fast.transposing import transposed
from llmbench_fast.unpacking import by_bitsandbytes, kernel, unpacked

pytestmark = pytest.mark.gpu
BATCH = batch.collate([Tokens(tuple(range(1, 65)), prompt=9)] * 2, 0)
SETTINGS = Settings(steps=2, precision="bf16-stochastic")


def apart(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((found.double() - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize("shape", [(512, 256), (96, 1100)])
def test_a_matrix_in_fp8_is_transposed(shape):
    matrix = torch.randn(shape, device="cuda").to(STORED)
    found = transposed(matrix, matrix)
    assert found.is_contiguous()
    assert torch.equal(found.view(torch.int8), matrix.view(torch.int8).t().contiguous())


@pytest.mark.parametrize("by_row", [True, False])
@pytest.mark.parametrize("kind", [STORED, GRADIENT])
def test_products_in_fp8_are_those_of_the_rounded_values(by_row, kind):
    left = rounded(torch.randn(100, 512, device="cuda") * 1e-4, kind, by_row)
    right = rounded(torch.randn(256, 512, device="cuda"), STORED, by_row=True)
    exact = (left[0].double() * left[1]) @ (right[0].double() * right[1]).t()
    assert apart(product(left, right, torch.bfloat16, emulated=False), exact) < 0.01


def packed(values, form, nested):
    """The tensors of a weight in 4 bits, and the weight as bitsandbytes unpacks it."""
    from bitsandbytes import functional

    numbers, state = functional.quantize_4bit(values, compress_statistics=nested, quant_type=form)
    parts = [numbers, state.absmax]
    if nested:
        parts += [state.state2.absmax, state.state2.code, state.offset]
    return parts, by_bitsandbytes(parts, form, tuple(values.shape), values.dtype)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("form", ["nf4", "fp4"])
@pytest.mark.parametrize("shape", [(4096, 11008), (1000, 72), (3, 8), (5, 5)])
def test_a_weight_in_4_bits_is_unpacked_to_the_bit(shape, form, nested, kind):
    torch.manual_seed(0)
    spread = torch.rand(shape[0], 1, device="cuda")
    values = (torch.randn(shape, device="cuda") * spread).to(kind)
    parts, wanted = packed(values, form, nested)
    found = unpacked(parts, form, shape, kind)
    assert kernel() is not None
    assert found.is_contiguous()
    differ, most = (found != wanted).sum().item(), (found - wanted).abs().max().item()
    assert not differ, f"{differ} of {found.numel()} values differ, by up to {most}"


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("form", ["nf4", "fp4"])
def test_joined_products_of_weights_in_4_bits_are_those_of_the_unpacked(form, nested):
    torch.manual_seed(0)

    def made(*shape):
        return torch.randn(shape, device="cuda", dtype=torch.bfloat16) / shape[-1] ** 0.5

    both = [packed(made(n, 512), form, nested) for n in (384, 640)]
    given = [made(200, 512), made(16, 512), made(16, 512), made(384, 16), made(640, 16)]
    slopes = [made(200, 384), made(200, 640)]
    taken = []
    parts = [part for each, _ in both for part in each]
    for weights, kind in (parts, form), ([weight for _, weight in both], WHOLE):
        rows, *adapters = [tensor.clone().requires_grad_() for tensor in given]
        outputs = joined(rows, weights, kind, adapters[:2], adapters[2:], [2.0, 1.0])
        taken += [[*outputs, *torch.autograd.grad(outputs, [rows, *adapters], slopes)]]
    assert all(torch.equal(f, w) for f, w in zip(*taken, strict=True))


@pytest.mark.parametrize("stacked", [True, False])
def test_joined_products_are_exact_to_the_rounding_of_bf16(stacked):
    torch.manual_seed(0)

    def made(*shape):
        return torch.randn(shape, device="cuda", dtype=torch.bfloat16) / shape[-1] ** 0.5

    rows, slopes = made(200, 512), [made(200, 384), made(200, 640)]
    weights, ups = [made(384, 512), made(640, 512)], [made(384, 16), made(640, 16)]
    downs, scales = [made(16, 512), made(16, 512)], [2.0, 1.0]
    wide = [t.double().requires_grad_() for t in (rows, *downs, *ups)]
    exact = [
        wide[0] @ w.double().t() + s * (wide[0] @ d.t()) @ u.t()
        for w, d, u, s in zip(weights, wide[1:3], wide[3:], scales, strict=True)
    ]
    wanted = torch.autograd.grad(exact, wide, [s.double() for s in slopes])
    given = [t.requires_grad_() for t in (rows, *downs, *ups)]
    parts = [torch.cat(weights)] if stacked else weights
    output = torch.cat(joined(rows, parts, WHOLE, downs, ups, scales), dim=1)
    assert apart(output, torch.cat(exact, dim=1)) < 0.01
    found = torch.autograd.grad(output, given, torch.cat(slopes, dim=1))
    assert all(apart(f, w) < 0.01 for f, w in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    "beside",
    [
        "",
        "+compile",
        "+activation-budget(share=0.2)",
        "+compile+cudnn-attention",
        "+compile+fused-cross-entropy(kernel=compiled)",
    ],
)
def test_a_step_with_fused_lora_is_that_of_lora(model, beside):
    losses = {}
    for text in ("lora", f"lora+fused-lora{beside}"):
        torch._dynamo.reset()
        members = composition.read(text).members
        torch.manual_seed(0)
        ready = copy.deepcopy(model).to("cuda", torch.bfloat16)
        ready = prepared(ready, members, SETTINGS).train()
        optimizer = torch.optim.SGD([p for p in ready.parameters() if p.requires_grad], lr=0.1)
        moved, found = BATCH.to(torch.device("cuda")), []
        for _ in range(3):
            with training_context(members):
                loss = brought.loss(members)(ready, moved)
                loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            found.append(loss.item())
        losses[text] = found
    one, other = losses.values()
    assert other == pytest.approx(one, rel=2e-3)
    assert other[-1] < other[0]
