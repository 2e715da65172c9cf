"""Short labels: what stands in charts where a name has no room."""

from __future__ import annotations

from llmbench.wording.labels import labels, legend

CHECKPOINTING = "full+gradient-checkpointing"


def test_a_short_name_is_its_own_label() -> None:
    assert labels(["full", "lora+8-bit"]) == {"full": "full", "lora+8-bit": "lora+8-bit"}
    assert legend(labels(["full", "lora+8-bit"])) == ""


def test_long_words_become_initials_and_the_legend_says_which() -> None:
    found = labels(["full", CHECKPOINTING, "full+flash-attention"])
    assert list(found.values()) == ["full", "full+gc", "full+fa"]
    assert legend(found) == (
        "In short: `gc` is `gradient-checkpointing` and `fa` is `flash-attention`."
    )


def test_initials_are_explained_once_and_labels_of_another_kind_by_themselves() -> None:
    names = ["qlora(paged=false)", "lora(r=64)", "lora(r=8,alpha=16)"]
    fast = [f"{n}+fused-lora+fused-cross-entropy(kernel=liger)" for n in ("lora", "full")]
    assert legend(labels([*names, *fast])) == (
        "In short: `fl` is `fused-lora`, `fce` is `fused-cross-entropy`, `qlora` is "
        "`qlora(paged=false)` and `lora, r 8, alpha 16` is `lora(r=8,alpha=16)`. Options that tell "
        "no two apart are left out."
    )


def test_options_are_left_out_where_they_tell_nothing_apart() -> None:
    assert labels(["lora", "qlora(paged=false)"])["qlora(paged=false)"] == "qlora"
    found = labels(["lora(r=64,learning_rate_factor=100)", "lora(r=8)", "lora"])
    times = "\N{MULTIPLICATION SIGN}"
    assert list(found.values()) == [f"lora, r 64, lr{times}100", "lora(r=8)", "lora"]


def test_no_two_labels_are_alike() -> None:
    long = [f"a-strategy-of-somebody-else-{n}+{'x' * 40}" for n in range(30)]
    assert len(set(labels(long).values())) == 30
    assert all(len(label) < 36 for label in labels(long).values())
