from __future__ import annotations

import pytest
from records import ok

from llmbench.analysis.checks import degenerate, endless
from llmbench.wording.cautions import cautions


def writing(texts, composition="lora", **changes):
    """A cell with these predictions."""
    made = ok(composition, **changes)
    examples = made.examples[: len(texts)]
    pairs = zip(examples, texts, strict=True)
    return made.model_copy(
        update={"examples": tuple(e.model_copy(update={"prediction": t}) for e, t in pairs)}
    )


def different(count):
    return [f"Summary {n}." for n in range(count)]


@pytest.mark.parametrize(
    ("texts", "seen"),
    [
        (different(20), None),
        (["Same.", *different(19)], None),
        (["Same."] * 2 + different(18), "wrote the same text for 2 of 20 inputs"),
        ([""] * 7 + different(13), "wrote nothing for 7 of 20 inputs"),
        (["Same."] * 9, None),
    ],
    ids=["different", "once", "a tenth", "nothing", "too few to tell"],
)
def test_a_text_that_comes_for_a_tenth_of_the_inputs_is_told(texts, seen):
    assert degenerate(writing(texts)) == seen


@pytest.mark.parametrize(("right", "seen"), [(12, False), (10, True)])
def test_a_label_that_is_right_as_often_is_no_sign_of_anything(right, seen):
    made = writing(["bad"] * 8 + ["good"] * 12)
    labels = ["good"] * right + ["bad"] * (20 - right)
    pairs = zip(made.examples, labels, strict=True)
    examples = tuple(e.model_copy(update={"references": (label,)}) for e, label in pairs)
    assert (degenerate(made.model_copy(update={"examples": examples})) is not None) == seen


def test_of_the_untrained_model_nothing_else_is_expected():
    assert degenerate(writing(["Same."] * 20, "base")) is None


def test_it_is_a_warning_that_names_the_cells():
    made = [writing(["Same."] * 20), writing(different(20), "full"), writing([""] * 20, "qlora")]
    (found,) = cautions(made)
    assert found.startswith("`lora` wrote the same text for 20 of 20 inputs; `qlora` wrote nothing")
    assert "whatever they score" in found


def ending(tokens, composition="lora"):
    """A cell whose predictions have so many tokens."""
    made = writing(different(len(tokens)), composition)
    pairs = zip(made.examples, tokens, strict=True)
    examples = tuple(e.model_copy(update={"new_tokens": n}) for e, n in pairs)
    return made.model_copy(update={"examples": examples})


def test_predictions_that_never_end_are_counted():
    most = ok("lora").cell.settings.max_new_tokens
    assert endless(ending([most] * 16)) == f"had 16 of 16 predictions hit --max-new-tokens ({most})"
    assert endless(ending([most] + [5] * 15)) is None
    assert endless(ending([most] * 16, "base")) is None
    (found,) = cautions([ending([most] * 16), ending([5] * 16, "full")])
    assert found.startswith("`lora` had 16 of 16 predictions hit --max-new-tokens")
