"""The untrained model: what fine-tuning is held against."""

from llmbench.strategy import Strategy


class Base(Strategy):
    """Evaluates the model as it is loaded. Every comparison runs it first."""

    id = "base"
    summary = "no training: the model as it is, for reference"
    group = "adaptation"
    also_claims = frozenset({"quantization", "memory", "attention"})
    in_all = False
    trains = False
