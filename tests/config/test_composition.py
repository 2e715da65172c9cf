from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import environment

from llmbench.config import composition
from llmbench.config.composition import Composition
from llmbench.errors import CompositionError, ConfigError, PluginError
from llmbench.plugin.catalogue import Plugin
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings
from llmbench.text import split_list
from llmbench_strategies import STRATEGIES

BY_ID = {s.id: s for s in STRATEGIES}


def read(text: str) -> Composition:
    return composition.read(text)


def members(text: str) -> list[str]:
    return [m.id for m in read(text).members]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("full", "full"),
        ("lora", "lora"),
        ("qlora", "qlora"),
        ("8-bit", "lora+8-bit"),
        ("4-bit", "lora+4-bit"),
        ("flash-attention", "full+flash-attention"),
        ("gradient-checkpointing", "full+gradient-checkpointing"),
        ("gradient-checkpointing+8-bit", "lora+8-bit+gradient-checkpointing"),
        ("flash-attention+lora", "lora+flash-attention"),
        ("qlora+flash-attention", "qlora+flash-attention"),
        ("QLoRA", "qlora"),
        ("LoRA(r=4)+Flash-Attention", "lora(r=4)+flash-attention"),
        (" lora ( r = 4 ) + 4-bit ", "lora(r=4)+4-bit"),
        ("4-bit(double_quantization=true)", "lora+4-bit(double_quantization=true)"),
    ],
)
def test_a_composition_is_completed_and_spelt_in_one_way(text, whole):
    assert read(text).id == whole


def test_quantised_weights_are_loaded_before_adapters_are_added():
    assert members("lora+flash-attention+gradient-checkpointing+4-bit") == [
        "4-bit",
        "lora",
        "gradient-checkpointing",
        "flash-attention",
    ]


def test_options_are_converted_to_their_types():
    (lora,) = read("lora(r=64,dropout=0.25,targets=q_proj|v_proj)").members
    assert (lora.r, lora.dropout, lora.targets) == (64, 0.25, "q_proj|v_proj")


def test_an_option_at_its_default_is_left_out_of_the_id():
    assert read("lora(r=16)").id == "lora"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "full+4-bit",
            "'full' and '4-bit' cannot be joined, as both decide the quantization: "
            "write 'full' or 'lora+4-bit'.",
        ),
        (
            "full+lora",
            "'full' and 'lora' cannot be joined, as both decide the adaptation: "
            "write 'full' or 'lora'.",
        ),
        (
            "qlora+8-bit",
            "'qlora' and '8-bit' cannot be joined, as both decide the quantization: "
            "write 'qlora' or 'lora+8-bit'.",
        ),
        (
            "flash-attention+eager-attention",
            "'flash-attention' and 'eager-attention' cannot be joined, as both decide the "
            "attention: write 'full+flash-attention' or 'full+eager-attention'.",
        ),
        (
            "lora+4-bit+flash-attention+eager-attention",
            "'flash-attention' and 'eager-attention' cannot be joined, as both decide the "
            "attention: write 'lora+4-bit+flash-attention' or 'lora+4-bit+eager-attention'.",
        ),
        (
            "full+4-bit+8-bit",
            "'full' and '4-bit' cannot be joined, as both decide the quantization: "
            "write 'full' or 'lora+4-bit'.",
        ),
        ("lora+lora", "'lora' is named twice in one composition: name it once."),
    ],
)
def test_two_members_that_decide_the_same_are_refused_with_what_to_write(text, sentence):
    with pytest.raises(CompositionError) as caught:
        read(text)
    assert str(caught.value) == sentence


def test_nothing_can_be_added_to_the_untrained_base():
    for other in set(BY_ID) - {"base", "precision", "learning-rate"}:
        with pytest.raises(CompositionError, match="'base'"):
            read(f"base+{other}")
    with pytest.raises(CompositionError, match="decide the precision"):
        read("base+precision(to=fp32)")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is not a composition"),
        ("lora+", "is not a composition"),
        ("+lora", "is not a composition"),
        ("lora 4-bit", "something unexpected at '4-bit'"),
        ("lora(r=4", "does not close it"),
        ("lora(r=(4))", "something unexpected"),
        ("lora(r)", "'r' in 'lora(r)' is not an option: write key=value."),
        ("lora(=4)", "is not an option: write key=value."),
        ("lora(r=4,r=8)", "'r' is given twice in 'lora(r=4,r=8)': give it once."),
        ("lora(rank=4)", "'lora' has no option 'rank': known are: "),
        ("lora(alpah=4)", "did you mean 'alpha'?"),
        ("lora(r=0)", "'lora(r=0)' cannot be: give 1 or more."),
        ("lora(learning_rate_factor=inf)", "cannot be: give a finite number."),
        ("lora(r=many)", "'lora(r=many)' cannot be: give a whole number."),
        ("full(r=4)", "'full' has no option 'r': it takes none."),
        ("lroa", "Unknown strategy 'lroa': did you mean 'lora'"),
    ],
)
def test_a_misspelt_composition_is_one_sentence_about_what_is_wrong(text, part):
    with pytest.raises(CompositionError) as caught:
        read(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refusal_is_a_config_error():
    assert issubclass(CompositionError, ConfigError)


def test_a_list_is_split_at_commas_outside_brackets_only():
    text = "lora(r=4,alpha=8), full,,8-bit+gradient-checkpointing,"
    assert split_list(text) == [
        "lora(r=4,alpha=8)",
        "full",
        "8-bit+gradient-checkpointing",
    ]


def test_the_same_composition_spelt_in_several_ways_is_one():
    texts = ["4-bit", "lora+4-bit", "4-bit+lora", "lora(r=16)+4-bit", "lora"]
    assert [c.id for c in composition.unique([read(t) for t in texts])] == ["lora+4-bit", "lora"]


def test_adjusting_runs_through_all_members():
    changed = read("lora+4-bit").adjust(Settings(learning_rate=1e-4), environment("cpu"))
    assert changed.learning_rate == pytest.approx(1e-3)


def test_a_strategy_may_not_change_what_all_cells_share():
    class Hasty(Strategy):
        id, summary, group = "hasty", "fewer steps", "adaptation"

        def adjust(self, settings, environment):
            return settings.model_copy(update={"steps": 1, "schedule": "cosine"})

    with pytest.raises(PluginError, match="'hasty' changes steps, which all cells share"):
        Composition((Hasty(),)).adjust(Settings(), environment("cpu"))


def test_the_first_members_reason_not_to_run_is_the_compositions():
    settings = Settings(precision="fp32")
    assert "half precision" in read("lora+flash-attention").skip(settings, environment("cuda"))
    assert read("lora+flash-attention").skip(settings, environment("cpu")) is None


def test_strategies_of_unknown_groups_are_spelt_in_one_order():
    class Liger(Strategy):
        id, summary, group = "liger", "other kernels", "kernels"

    class Compiled(Strategy):
        id, summary, group = "compiled", "torch.compile", "compilation"

    one = composition.complete([Liger(), Compiled()])
    other = composition.complete([Compiled(), Liger()])
    assert one.id == other.id


def test_a_strategy_that_fits_no_adaptation_asks_for_one():
    class Packed(Strategy):
        id, summary, group = "packed", "packed weights", "quantization"

    with pytest.raises(CompositionError, match="names no adaptation and none fits"):
        composition.complete([Packed()])


lora_options = st.fixed_dictionaries(
    {},
    optional={
        "r": st.integers(1, 512),
        "alpha": st.integers(1, 512),
        "dropout": st.floats(0, 1, exclude_max=True),
        "learning_rate_factor": st.floats(1e-6, 1e6),
        "targets": st.from_regex(r"[a-z_]+(\|[a-z_]+)*", fullmatch=True),
    },
)
modifiers = st.lists(
    st.sampled_from(["gradient-checkpointing", "flash-attention", "8-bit"]), unique=True
)


@settings(max_examples=60, deadline=None)
@given(lora_options, modifiers, st.randoms())
def test_an_id_reads_back_as_the_composition_that_it_names(options, others, order):
    written = ",".join(f"{k}={v}" for k, v in options.items())
    parts = [f"lora({written})", *others]
    order.shuffle(parts)
    first = read("+".join(parts))
    assert read(first.id) == first
    assert read(first.id).id == first.id


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("lora8-bit full+(),=r 4"), max_size=24))
def test_any_text_names_an_adaptation_or_is_refused_in_one_line(text):
    try:
        adaptations = [m for m in read(text).members if m.group == "adaptation"]
    except CompositionError as error:
        adaptations = str(error).splitlines()
    assert len(adaptations) == 1


def test_two_members_that_bring_an_optimiser_clash_though_neither_says_so(registry):
    class Brings(Strategy):
        id, summary, group = "brings", "", "brings"

        def optimizer(self, parameters, settings):
            return None

    registry.strategies.add("brings", Brings, Plugin("test", "test"))
    with pytest.raises(CompositionError) as caught:
        read("qlora+brings")
    assert str(caught.value) == (
        "'qlora' and 'brings' cannot be joined, as both decide the optimizer: "
        "write 'qlora' or 'full+brings'."
    )
    assert read("qlora(paged=false)+brings").id == "qlora(paged=False)+brings".lower()


def test_two_members_that_declare_an_optimiser_are_refused_whichever_comes_last(registry):
    for name in ("one", "other"):

        class Declares(Strategy):
            id, summary, group = name, "", name

            def adjust(self, settings, environment):
                return settings.model_copy(update={"optimizer": self.id})

        registry.strategies.add(name, Declares, Plugin("test", "test"))
    found = read("lora+one+other").outlook(Settings(), environment())
    assert "two members that declare an optimiser, one and other" in found.broken
