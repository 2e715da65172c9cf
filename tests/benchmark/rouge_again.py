"""Stored scores against rouge_score, called by itself on the stored predictions.

    python tests/benchmark/rouge_again.py reports/NAME ...

Prints how many figures there are, with how many references, and the largest difference.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from rouge_score.rouge_scorer import RougeScorer

from llmbench.record.record import Example
from llmbench.storage.store import Store

NAMES = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directories", nargs="+", type=Path)
    for folder in parser.parse_args().directories:
        examples = [e for r in Store(folder).read().records for e in r.examples]
        off = [difference for e in examples for difference in differences(e)]
        references = sorted({len(e.references) for e in examples})
        print(f"{folder.name}: {len(off):,} figures, references {references}, {max(off):.1e}")  # noqa: T201


def differences(example: Example) -> Iterator[float]:
    """How far each stored score is from the best that a reference gives."""
    scorer = RougeScorer(list(NAMES), use_stemmer=True)
    found = [scorer.score(reference, example.prediction) for reference in example.references]
    for name in NAMES:
        yield abs(example.scores[name] - max(f[name].fmeasure for f in found))


if __name__ == "__main__":
    main()
