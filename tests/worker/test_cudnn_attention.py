from __future__ import annotations

import pytest
from records import environment

from llmbench.config import composition
from llmbench.plugin.strategy import CannotRun
from llmbench.record.settings import Settings
from llmbench_fast.cudnn_attention import CudnnAttention

SETTINGS = Settings(precision="bf16-stochastic")


@pytest.mark.parametrize(
    ("kernels", "problem"),
    [({"cudnn"}, None), ({"cudnn", "flash"}, "ran on flash"), ({"math"}, "ran on math")],
)
def test_no_other_kernel_may_have_run(kernels, problem):
    told = CudnnAttention().verify(frozenset(kernels))
    assert problem in told if problem else told is None


def test_it_decides_the_attention():
    with pytest.raises(Exception, match="both decide the attention"):
        composition.read("lora+cudnn-attention+flash-attention")


def test_it_needs_a_gpu_and_half_precision():
    strategy = CudnnAttention()
    assert "needs an NVIDIA GPU" in strategy.skip(SETTINGS, environment("cpu"))
    assert "half precision" in strategy.skip(Settings(precision="fp32"), environment("cuda"))
    old = environment("cuda").model_copy(update={"compute_capability": (7, 5)})
    assert "too old" in strategy.skip(SETTINGS, old)
    assert strategy.skip(SETTINGS, environment("cuda")) is None


def test_its_memory_is_not_predicted(model):
    with pytest.raises(CannotRun, match="not predicted"):
        CudnnAttention().prepare(model.to("meta"), SETTINGS)
