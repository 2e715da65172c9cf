"""The built-in metrics."""

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.metric import Metric
from llmbench_metrics.bertscore import BertScore
from llmbench_metrics.bits import BitsPerByte
from llmbench_metrics.classification import Accuracy, LikelyLabel, MacroF1
from llmbench_metrics.evaluate import Evaluate
from llmbench_metrics.exact_match import ExactMatch, TokenF1
from llmbench_metrics.forgetting import Forgetting
from llmbench_metrics.lm_eval import LmEval
from llmbench_metrics.perplexity import Perplexity
from llmbench_metrics.rouge import Rouge
from llmbench_metrics.translation import Bleu, Chrf

METRICS = (
    Rouge,
    ExactMatch,
    TokenF1,
    Accuracy,
    MacroF1,
    LikelyLabel,
    Perplexity,
    BitsPerByte,
    Forgetting,
    LmEval,
    Bleu,
    Chrf,
    BertScore,
    Evaluate,
)


@hookimpl
def register_metrics(register: Callable[[type[Metric]], None]) -> None:
    """Offer all of them."""
    for metric in METRICS:
        register(metric)
