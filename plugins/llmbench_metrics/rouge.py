"""ROUGE (Lin, 2004), as Google's rouge_score computes it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

from llmbench.plugin.metric import Metric, Score
from llmbench.record.measure import Measure

LABELS = {
    "rougeL": (
        "ROUGE-L",
        "how many words answer and reference share in the same order, from 0 to 1",
    ),
    "rougeLsum": ("ROUGE-Lsum", "the same, line by line"),
    "rouge1": ("ROUGE-1", "how many words answer and reference share in any order, from 0 to 1"),
    "rouge2": ("ROUGE-2", "how many pairs of words answer and reference share, from 0 to 1"),
}
"""The types, the one that stands for quality first."""
TYPES = tuple(LABELS)
INSTEAD = "chrf, or rouge(tokenizer=character)"
LATIN = re.compile("[a-z0-9]", re.IGNORECASE)
"""All that rouge_score's own tokenizer sees."""
PATTERNS = {"unicode": r"[\p{L}\p{M}\p{N}]+", "character": r"[\p{L}\p{N}]\p{M}*"}
"""Of any script: words, or letters with the marks on them."""


class Rouge(Metric):
    """F1 of ROUGE-1, ROUGE-2, ROUGE-L and ROUGE-Lsum per example, 0 to 1.

    Of several references, each figure is the best that any of them gives. ROUGE-Lsum takes lines
    as sentences. With `latin`, the tokenizer of rouge_score, words are stemmed, and all but the 26
    Latin letters and ten digits is blank: a text in another script has no tokens, and scores 0.
    `unicode` takes words of any script that has blanks between them, `character` single letters,
    for those that have none.
    """

    id = "rouge"
    summary = "ROUGE-L, Lsum, 1 and 2; rouge(tokenizer=unicode) or (tokenizer=character)"
    modules = ("rouge_score.rouge_scorer", "nltk")

    tokenizer: Literal["latin", "unicode", "character"] = "latin"

    def measures(self) -> Sequence[Measure]:
        """ROUGE-L first, and the share of the texts that no figure here can see."""
        how = "" if self.tokenizer == "latin" else f" ({self.tokenizer})"
        unseen = Measure(
            id=self._name("rouge_unseen"),
            label=f"Unseen by ROUGE{how}",
            better="neither",
            meaning="share of the letters and digits of the references that are part of no token",
        )
        return [
            *(
                Measure(
                    id=self._name(kind),
                    label=label + how,
                    meaning=meaning,
                    blind=unseen.id,
                    instead=INSTEAD,
                )
                for kind, (label, meaning) in LABELS.items()
            ),
            unseen,
        ]

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
        """Score every prediction against its references."""
        from rouge_score.rouge_scorer import RougeScorer

        tokenizer = None if self.tokenizer == "latin" else Tokens(self.tokenizer)
        scorer = RougeScorer(list(TYPES), use_stemmer=True, tokenizer=tokenizer)
        rows = [
            scorer.score_multi(list(wanted), text)
            for text, wanted in zip(predictions, references, strict=True)
        ]
        texts = [text for wanted in references for text in wanted]
        return Score(
            examples={self._name(kind): [row[kind].fmeasure for row in rows] for kind in TYPES},
            corpus={self._name("rouge_unseen"): self._unseen(texts)},
        )

    def _name(self, kind: str) -> str:
        """Scores of another tokenizer are others, and stand beside the usual ones."""
        return kind if self.tokenizer == "latin" else f"{kind}_{self.tokenizer}"

    def _unseen(self, texts: Iterable[str]) -> float:
        """The share of letters, marks and digits that the tokenizer leaves out.

        Of the references alone: a prediction in a script that they are not in is rightly worth 0.
        """
        if self.tokenizer != "latin":
            return 0.0
        characters = [c for text in texts for c in text if unicodedata.category(c)[0] in "LMN"]
        return sum(not LATIN.match(c) for c in characters) / len(characters) if characters else 0.0


class Tokens:
    """A tokenizer as rouge_score takes one: words of any script, or single letters."""

    def __init__(self, kind: str) -> None:
        import regex

        self._pattern = regex.compile(PATTERNS[kind])

    def tokenize(self, text: str) -> list[str]:
        """Lower-case tokens, in canonical composition."""
        tokens: list[str] = self._pattern.findall(unicodedata.normalize("NFC", text).lower())
        return tokens
