from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from records import environment

from llmbench import plugin
from llmbench.config import plan
from llmbench.config.composition import Composition
from llmbench.config.config import resolve
from llmbench.config.setup import Setup, compositions
from llmbench.errors import ConfigError
from llmbench.plugin.strategy import Strategy
from llmbench.record.record import Budget, DataRef, DataRefs, ModelRef
from llmbench.source.model import Source

MODEL = ModelRef(id="owner/some model", weights="pretrained", revision="abc")
DATA = DataRefs(
    DataRef(name="train.jsonl", examples=8, sha256="1" * 64),
    DataRef(name="eval.jsonl", examples=2, sha256="2" * 64),
)


class Placed(Strategy):
    """An adaptation that lies somewhere, under an id that there is."""

    id, summary, group = "lora", "", "adaptation"
    path: str = ""


@pytest.fixture
def make_setup(registry):
    """A setup of the strategies in an environment, with further values."""

    def make(strategies: str, device: str = "cpu", **values) -> Setup:
        resolved = resolve([("test", {"strategies": strategies, "metrics": "rouge", **values})])
        return Setup(
            resolved=resolved,
            environment=environment(device),
            source=Source("owner/some model", "pretrained"),
            compositions=compositions(resolved.config.strategies),
        )

    return make


def ids(setup: Setup, model: ModelRef = MODEL, data=DATA) -> dict[str, str]:
    return {p.cell.composition: p.cell.id for p in plan.make(setup, model, data).cells}


def test_the_base_is_the_first_cell_and_the_rest_are_in_the_order_given(make_setup):
    cells = plan.make(make_setup("qlora,full,lora"), MODEL, DATA).cells
    assert [p.cell.composition for p in cells] == ["base", "qlora", "full", "lora"]
    assert [p.cell.trains for p in cells] == [False, True, True, True]


def test_seeds_are_interleaved_and_begin_in_turn_so_that_drift_hits_all_alike(make_setup):
    cells = [p.cell for p in plan.make(make_setup("lora,full", seeds=2), MODEL, DATA).cells]
    assert [(c.seed, c.composition) for c in cells] == [
        *((0, name) for name in ("base", "lora", "full")),
        *((1, name) for name in ("base", "full", "lora")),
    ]
    assert len({c.id for c in cells}) == 6


@pytest.mark.parametrize("seeds", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 12])
def test_no_place_in_the_order_is_one_composition_s_as_far_as_seeds_go(make_setup, count, seeds):
    made = make_setup(",".join(f"lora(r={n + 1})" for n in range(count)), seeds=seeds)
    orders = [plan.turned(made, n, seeds)[1:] for n in range(seeds)]
    assert {frozenset(c.id for c in o) for o in orders} == {frozenset(c.id for c in orders[0])}
    for place in range(count):
        assert len({o[place].id for o in orders}) == min(count, seeds)


def test_the_fastest_is_to_be_run_once_more_on_a_gpu_or_where_that_is_asked_for(make_setup):
    def repeats(strategies: str, device: str, **values) -> int:
        return plan.make(make_setup(strategies, device, **values), MODEL, DATA).repeats

    assert repeats("lora,full", "cuda") == 1
    assert repeats("lora,full", "cuda", repeat=False) == 0
    assert repeats("lora,full", "cuda", deterministic=True) == 0
    assert repeats("lora", "cuda") == 0
    assert repeats("lora,full", "cpu") == 0
    assert repeats("lora,full", "cpu", repeat=True) == 1


def test_a_budget_adds_a_cell_for_each_composition_that_trains_of_the_first_seed(make_setup):
    made = make_setup("lora,full", seeds=2, fit="16GiB")
    cells = [p.cell for p in plan.make(made, MODEL, DATA).cells]
    assert [c.fit for c in cells[:-2]] == [None] * 6
    assert [(c.composition, c.seed, c.fit) for c in cells[-2:]] == [
        (name, 0, Budget(bytes=2**34, stretched="batch_size")) for name in ("lora", "full")
    ]


def test_a_cell_with_a_budget_has_an_id_and_a_name_that_say_so(make_setup):
    found = [
        plan.make(make_setup("lora(r=4)", fit="1500 MB", **more), MODEL, DATA).cells[-1].cell
        for more in ({}, {"fit_seq_len": True})
    ]
    assert [c.name for c in found] == [
        "lora(r=4), fit 1500MB",
        "lora(r=4), fit 1500MB seq-len",
    ]
    assert found[0].id.startswith("lora-r-4.fit-1500MB.owner-some-model.s0.")
    assert found[1].id.startswith("lora-r-4.fit-1500MB-seq-len.owner-some-model.s0.")


def test_what_is_ablated_is_planned_as_what_is_asked_for(make_setup):
    asked = make_setup("lora")
    (full,) = compositions(["full"])[1:]
    found = replace(asked, compositions=[*asked.compositions, full], ablated=[full])
    assert list(ids(found)) == ["base", "lora", "full"]


def test_a_strategy_is_asked_once_however_many_cells_it_has(make_setup, monkeypatch):
    asked = []
    adjust = Composition.adjust
    monkeypatch.setattr(
        Composition, "adjust", lambda self, *given: asked.append(self.id) or adjust(self, *given)
    )
    plan.make(make_setup("lora,lora+gradient-checkpointing", seeds=3), MODEL, DATA)
    assert len(asked) == len(set(asked))


def test_all_means_the_seven_strategies(make_setup):
    assert list(ids(make_setup("all"))) == [
        "base",
        "full",
        "lora",
        "qlora",
        "lora+8-bit",
        "lora+4-bit",
        "full+flash-attention",
        "full+gradient-checkpointing",
    ]


def test_a_cell_that_cannot_run_is_in_the_plan_with_its_reason(make_setup):
    cells = plan.make(make_setup("full,flash-attention", "cuda"), MODEL, DATA).cells
    assert [bool(p.skip) for p in cells] == [False, False, True]
    assert "half precision" in cells[2].skip


def test_a_cell_knows_what_its_strategies_declared(make_setup):
    cells = plan.make(make_setup("full,qlora", "cuda", learning_rate=1e-4), MODEL, DATA).cells
    full, qlora = cells[1].cell, cells[2].cell
    assert full.declared == {}
    assert qlora.declared == {"learning_rate": 1e-3, "optimizer": "paged-adamw-32bit"}
    assert qlora.settings.optimizer == "paged-adamw-32bit"


def test_a_cell_keeps_every_option_of_its_members_and_their_distribution(make_setup):
    cell = plan.make(make_setup("lora(r=4)"), MODEL, DATA).cells[1].cell
    (lora,) = cell.members
    assert lora.options["r"] == 4
    assert lora.options["alpha"] == 32
    assert lora.distribution == "an unknown package"


def test_an_id_is_readable_and_fits_a_file_name(make_setup):
    found = ids(make_setup("lora(r=4,dropout=0.1)+4-bit", seed=7))["lora(r=4,dropout=0.1)+4-bit"]
    assert re.fullmatch(r"lora-r-4-dropout-0-1-\+4-bit\.owner-some-model\.s7\.[0-9a-f]{12}", found)


@pytest.mark.usefixtures("somebody")
def test_an_id_names_neither_the_user_nor_the_home_directory(make_setup):
    setup = make_setup("lora")
    placed = Composition((Placed(path="/home/zaphod/of-zaphod"),))
    found = plan.make_cell(setup, placed, 0, MODEL, DATA).id
    assert found.startswith("lora-path-of-user.owner-some-model.s0.")


def test_the_same_content_has_the_same_id(make_setup):
    assert ids(make_setup("full,lora")) == ids(make_setup("full,lora"))


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1},
        {"steps": 60},
        {"learning_rate": 1e-5},
        {"max_new_tokens": 12},
        {"metrics": "rouge,evaluate:bleu"},
    ],
)
def test_a_changed_configuration_is_another_cell(make_setup, changed):
    assert ids(make_setup("lora"))["lora"] != ids(make_setup("lora", **changed))["lora"]


def test_another_prompt_is_another_cell_under_the_same_task_s_name(make_setup):
    setup = make_setup("lora")
    before = ids(setup)["lora"]
    entry = plugin.registry().tasks.entries["summarization"]
    changed = replace(entry.item, template="In short: {input}")
    plugin.registry().tasks.entries["summarization"] = replace(entry, item=changed)
    assert ids(setup)["lora"] != before


def test_a_metric_s_script_that_was_changed_is_another_cell(make_setup, tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("one")
    setup = make_setup("lora", metrics=f"evaluate:{script}")
    before = ids(setup)["lora"]
    assert ids(setup)["lora"] == before
    script.write_text("two")
    assert ids(setup)["lora"] != before


@pytest.mark.parametrize("kind", ["tasks", "metrics"])
def test_what_another_distribution_ships_is_another_cell_under_the_same_name(make_setup, kind):
    setup = make_setup("lora")
    before = ids(setup)["lora"]
    table = getattr(plugin.registry(), kind).entries
    for name, entry in table.items():
        table[name] = replace(entry, source=plugin.Plugin(entry.source.name, "theirs 2.0"))
    assert ids(setup)["lora"] != before


@pytest.mark.parametrize("kind", ["strategies", "metrics", "tasks"])
def test_a_plugin_that_is_edited_is_another_cell_under_the_same_version(
    make_setup, monkeypatch, kind
):
    before = ids(make_setup("lora"))
    item = {"strategies": "lora", "metrics": "rouge", "tasks": "summarization"}[kind]
    entry = getattr(plugin.registry(), kind).entries[item].item
    edited = entry if isinstance(entry, type) else type(entry)
    own = plan.code.digest

    def digest(asked):
        found = asked if isinstance(asked, type) else type(asked)
        return "edited" if issubclass(found, edited) else own(asked)

    monkeypatch.setattr(plan.code, "digest", digest)
    assert ids(make_setup("lora"))["lora"] != before["lora"]


def test_another_version_of_what_a_metric_scores_with_is_another_cell(make_setup, monkeypatch):
    before = ids(make_setup("lora"))
    monkeypatch.setattr(plan, "version", lambda package: f"{package} 99")
    assert ids(make_setup("lora"))["lora"] != before["lora"]


def test_an_argument_that_is_no_file_is_part_of_a_metric_s_name_alone(make_setup, monkeypatch):
    setup = make_setup("lora", metrics="evaluate:bleu")
    kind = plugin.registry().metrics.get("evaluate")
    monkeypatch.setattr(kind, "local_code", classmethod(lambda cls, argument: "a script"))
    assert ids(setup)["lora"]


def test_a_metric_s_script_that_cannot_be_read_is_refused(make_setup, tmp_path, monkeypatch):
    script = tmp_path / "mine.py"
    script.write_text("one")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    setup = make_setup("lora", metrics=f"evaluate:{script}")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigError, match=r"mine.py' cannot be read \(Permission denied\): check"):
        ids(setup)


def test_the_same_data_under_another_name_are_the_same_cell(make_setup):
    renamed = DATA._replace(train=DATA.train.model_copy(update={"name": "other.jsonl"}))
    setup = make_setup("lora")
    assert ids(setup, data=renamed) == ids(setup)


def test_another_revision_or_data_or_device_is_another_cell(make_setup):
    setup = make_setup("lora")
    other_model = MODEL.model_copy(update={"revision": "def"})
    other_data = DATA._replace(evaluate=DATA.evaluate.model_copy(update={"sha256": "3" * 64}))
    elsewhere = replace(setup, environment=environment("cpu", device_name="another processor"))
    found = {
        ids(setup)["lora"],
        ids(setup, model=other_model)["lora"],
        ids(setup, data=other_data)["lora"],
        ids(elsewhere)["lora"],
    }
    assert len(found) == 4


def test_a_slug_is_safe_in_a_path():
    assert plan.slug("../../etc/pass wd") == "etc-pass-wd"
    assert len(plan.slug("x" * 300)) <= 60
