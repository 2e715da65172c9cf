"""The table of every method against the best, example by example."""

from __future__ import annotations

from llmbench import text
from llmbench.analysis.against import Against, against
from llmbench.analysis.standing import Standing
from llmbench.output.table import Column, Row, Table, Value
from llmbench.wording import figures

LOSS = "cross entropy per token of the references, in nats; it tells smaller differences"
EACH = "examples, of every seed, on which it scores better than the best, the same, and worse"
WORST = "examples on which it lost most, with by how much"


def table(standing: Standing) -> Table | None:
    """A row for each other that competes; None where there is none to hold against the best."""
    rivals = against(standing)
    if not rivals or standing.best is None or standing.score is None:
        return None
    losses = any(one.loss for one in rivals)
    label = standing.score.label
    columns = (
        Column(label, meaning="difference from the best, and the verdict"),
        *([Column("Loss of references", meaning=LOSS)] if losses else []),
        Column("Better, same, worse", meaning=EACH),
        Column("Lost most on", kind="words", meaning=WORST),
    )
    best = text.clean(standing.names[standing.best.id])
    rows = tuple(_row(one, standing, losses) for one in rivals)
    return Table(f"every method against {best}", columns, rows)


def _row(one: Against, standing: Standing, losses: bool) -> Row:
    verdict = standing.verdicts.get(one.variant.id)
    loss = one.loss
    values = (
        Value(figures.difference(verdict.difference), detail=verdict.word)
        if verdict
        else Value(""),
        *(
            [Value(figures.difference(loss.difference), detail=loss.word) if loss else Value("")]
            * losses
        ),
        Value(f"{one.better}, {one.same}, {one.worse}"),
        Value(", ".join(f"{text.clean(name)} ({lost:+.2f})" for name, lost in one.worst)),
    )
    return Row(text.clean(standing.names[one.variant.id]), values)
