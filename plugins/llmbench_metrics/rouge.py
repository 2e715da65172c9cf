"""ROUGE (Lin, 2004), as Google's rouge_score computes it."""

from __future__ import annotations

from collections.abc import Sequence

from llmbench.plugin.metric import Metric, Score

TYPES = ("rouge1", "rouge2", "rougeL", "rougeLsum")


class Rouge(Metric):
    """F1 of ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum, with stemming, per example, 0 to 1.

    Of several references, each figure is the best that any of them gives. ROUGE-Lsum takes
    lines as sentences. A text without a letter or digit of the Latin alphabet has no tokens for
    rouge_score, and scores 0.
    """

    id = "rouge"
    summary = "ROUGE-1, 2, L and Lsum F1 by rouge_score; the best of several references"

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """Score every prediction against its references."""
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(list(TYPES), use_stemmer=True)
        rows = [
            scorer.score_multi(list(wanted), text)
            for text, wanted in zip(predictions, references, strict=True)
        ]
        return Score(examples={name: [row[name].fmeasure for row in rows] for name in TYPES})
