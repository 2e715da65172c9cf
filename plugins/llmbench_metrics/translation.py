"""BLEU and chrF, as sacrebleu computes them (Post, 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from llmbench.plugin.metric import Metric, Score, jackknife
from llmbench.record.measure import Measure


class Bleu(Metric):
    """BLEU of the whole set (Papineni et al., 2002), 0 to 100, against all references.

    The tokenizer is sacrebleu's: `13a` for languages with blanks, `zh` for Chinese, `char` for
    other scripts without blanks, `intl` to split at every symbol.
    """

    id = "bleu"
    summary = "BLEU of the whole set by sacrebleu; bleu(tokenize=zh) for Chinese"
    modules = ("sacrebleu",)

    tokenize: Literal["13a", "intl", "zh", "char", "none"] = "13a"
    lowercase: bool = False

    def measures(self) -> Sequence[Measure]:
        """BLEU, under a name of its own for each way of counting."""
        how = self.model_dump(exclude_defaults=True, exclude={"argument"})
        named = [f"{k}={str(v).lower()}" for k, v in how.items()]
        label = f"BLEU ({', '.join(named)})" if how else "BLEU"
        return [
            Measure(
                id="_".join(["bleu", *map(str, how.values())]).lower(),
                label=label,
                unit="points",
                most=100.0,
                margin=1.0,
                meaning="shared runs of up to four words, of the whole set at once (sacrebleu)",
            )
        ]

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """A figure of the whole set, with pseudo-values."""
        from sacrebleu.metrics.bleu import BLEU

        metric = BLEU(tokenize=self.tokenize, lowercase=self.lowercase)
        pairs = zip(predictions, references, strict=True)
        parts = [metric.corpus_score([text], [[r] for r in wanted]) for text, wanted in pairs]
        counts = [[*p.counts, *p.totals, p.sys_len, p.ref_len] for p in parts]
        total = [sum(column) for column in zip(*counts, strict=True)]
        whole = _bleu(metric, total)
        without = [
            _bleu(metric, [a - b for a, b in zip(total, own, strict=True)]) for own in counts
        ]
        name = self.measures()[0].id
        return Score(corpus={name: whole}, examples={name: jackknife(whole, without)})


def _bleu(metric: Any, counts: Sequence[int]) -> float:
    """BLEU of n-grams that match, n-grams in all, and both lengths."""
    order = (len(counts) - 2) // 2
    matches, totals, (said, wanted) = counts[:order], counts[order:-2], counts[-2:]
    bleu = metric.compute_bleu(
        correct=list(matches), total=list(totals), sys_len=said, ref_len=wanted, smooth_method="exp"
    )
    return min(100.0, float(bleu.score))


class Chrf(Metric):
    """chrF2 (Popovic, 2015), the mean over examples, 0 to 100; the best of several references.

    It counts letters and needs no words, and so sees every script.
    """

    id = "chrf"
    summary = "chrF2 by sacrebleu, for any script; chrf(words=2) is chrF++"
    modules = ("sacrebleu",)

    words: int = Field(0, ge=0, le=2, description="Runs of words that count as well.")

    def measures(self) -> Sequence[Measure]:
        """chrF, or chrF++ with pairs of words."""
        return [
            Measure(
                id=f"chrf{'+' * self.words}",
                label=f"chrF{'+' * self.words}",
                unit="points",
                most=100.0,
                margin=1.0,
                meaning="F2 of shared runs of up to six letters, the mean over examples",
            )
        ]

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """A figure for each example."""
        from sacrebleu.metrics.chrf import CHRF

        metric = CHRF(word_order=self.words)
        pairs = zip(predictions, references, strict=True)
        figures = [metric.sentence_score(text, list(wanted)).score for text, wanted in pairs]
        return Score(examples={self.measures()[0].id: [min(100.0, x) for x in figures]})
