from __future__ import annotations

from records import comparison, ok
from test_fairness import LORA, made, ran

from llmbench.analysis.judging import stand
from llmbench.output.html.details import differing


def table(*records):
    made = differing(stand(comparison(records)))
    return {name: dict(zip(made.header[1:], values, strict=True)) for name, *values in made.texts}


def test_cells_that_are_alike_have_no_table():
    assert not table(ran(LORA), ran(made("full", "adaptation")))


def test_it_is_said_of_each_difference_whether_it_is_declared():
    faster = {"learning_rate": 3e-3}
    eager = made("eager", "attention", settings=faster, declared=faster)
    assert table(ran(LORA, micro_batch="8"), ran(eager, attention="eager")) == {
        "lora": {
            "learning rate (declared)": "2e-05",
            "attention implementation (declared)": "sdpa",
            "sequences of a micro-batch (not declared)": "8",
        },
        "eager": {
            "learning rate (declared)": "0.003",
            "attention implementation (declared)": "eager",
            "sequences of a micro-batch (not declared)": "4",
        },
    }


def test_of_what_a_record_does_not_say_nothing_is_claimed():
    found = table(ok("lora"), ok("full", optimizer="SGD", effective={"padding": "1%"}))
    assert [list(values) for values in found.values()] == [
        ["optimiser that ran (not declared)"]
    ] * 2
