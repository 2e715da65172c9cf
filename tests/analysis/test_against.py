from __future__ import annotations

import pytest
from records import cell, comparison, ok

from llmbench.analysis.against import against
from llmbench.analysis.judging import stand
from llmbench.output.methods import rivals_table
from llmbench.record.record import Record

EASY = 30


def scored(composition: str, seed: int, scores: list[float], losses: list[float]) -> Record:
    record = ok(composition, cell=cell(composition, seed))
    one = record.examples[0]
    made = tuple(
        one.model_copy(update={"id": f"e{i}", "scores": {"rougeL": s}, "loss": loss})
        for i, (s, loss) in enumerate(zip(scores, losses, strict=True))
    )
    return record.model_copy(update={"examples": made})


def compared(*, seeds: int = 2, losses: bool = True) -> list[Record]:
    """`lora` writes what `full` does but on three examples, and expects the references less."""
    made = []
    for seed in range(seeds):
        full = [0.5 + 0.01 * seed] * EASY
        lora = [full[0] + 0.2, full[0] - 0.4, full[0] - 0.1, *full[3:]]
        jitter = [0.001 * (i % 3) * (seed + 1) for i in range(EASY)]
        made.append(scored("full", seed, full, [1.0] * EASY))
        made.append(scored("lora", seed, lora, [1.1 + j for j in jitter]))
    if losses:
        return made
    bare = {"loss": None}
    return [
        r.model_copy(update={"examples": tuple(e.model_copy(update=bare) for e in r.examples)})
        for r in made
    ]


def test_wins_ties_and_losses_are_counted_over_examples_and_seeds():
    (found,) = against(stand(comparison(compared())))
    assert (found.better, found.same, found.worse) == (2, 2 * (EASY - 3), 4)


def test_the_worst_regressions_are_named_the_largest_first():
    (found,) = against(stand(comparison(compared())))
    assert [name for name, _ in found.worst] == ["e1", "e2"]
    assert [lost for _, lost in found.worst] == pytest.approx([-0.4, -0.1])


def test_the_loss_of_references_tells_what_the_score_does_not():
    standing = stand(comparison(compared()))
    (found,) = against(standing)
    assert standing.word(found.variant) == "undecided"
    assert found.loss.word == "worse"
    assert found.loss.difference.estimate == pytest.approx(0.1, abs=0.01)


def test_of_records_without_that_loss_the_rest_is_shown():
    standing = stand(comparison(compared(losses=False)))
    (found,) = against(standing)
    assert found.loss is None
    shown = rivals_table(standing)
    assert shown.header == ("Method", "ROUGE-L", "Better, same, worse", "Lost most on")
    assert shown.texts[0][2:] == ("2, 54, 4", "e1 (-0.40), e2 (-0.10)")


def test_with_nothing_to_hold_against_the_best_there_is_no_table():
    assert rivals_table(stand(comparison([ok("full")]))) is None
    apart = [scored("full", 0, [0.5] * 3, [1.0] * 3), scored("lora", 1, [0.4] * 3, [1.0] * 3)]
    assert rivals_table(stand(comparison(apart))) is None
