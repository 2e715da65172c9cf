"""The fastest once more at the end, with a launcher that only pretends."""

from __future__ import annotations

import pytest
import records
from scripted import finish, leave

from llmbench.analysis.judging import stand
from llmbench_models import HERE

RATES = {"full": 8000.0, "lora": 9000.0, "base": 1.0}


def train(job, log):
    """A worker whose steps take as long as its composition has it, and a little more the next."""
    name, again = job.cell.composition, job.cell.repeat
    if not job.cell.trains:
        return finish(job, log)
    made = records.ok(name, tokens_per_second=RATES[name] * (1 + again / 100), cell=job.cell)
    leave(job, steps=made.steps, examples=())
    return 0


def again(launcher):
    return [j.cell.composition for j in launcher.jobs if j.cell.repeat]


@pytest.fixture
def run(scripted, tmp_path):
    """Run two methods and the fastest once more; what is stored, what was heard, what ran."""

    def start(**values):
        asked = {
            "model": str(HERE / "tiny"),
            "output": str(tmp_path / "out"),
            "tune": False,
            "steps": 20,
            "repeat": True,
            **values,
        }
        finished, heard, launcher = scripted(dict.fromkeys(RATES, train), **asked)
        return finished.comparison, heard, launcher

    return start


def test_the_fastest_trains_once_more_at_the_end(run):
    read, heard, launcher = run(seeds=2)
    assert again(launcher) == ["lora"]
    assert launcher.jobs[-1].cell.repeat
    assert launcher.jobs[-1].cell.seed == 0
    assert read.header.plan.cells[-1].cell.name == "lora, once more"
    assert read.header.plan.repeats == 0
    assert heard.plan == read.header.plan


def test_it_is_in_the_records_and_never_among_those_that_are_reported(run):
    read, *_ = run()
    assert [r.cell.repeat for r in read.repeats] == [1]
    assert not any(r.cell.repeat for r in (*read.reported.records, *read.equal.records))
    assert stand(read).speeds.floor > 0


def test_it_is_left_out_where_nobody_asks_for_it(run):
    _, _, launcher = run(repeat=False)
    assert again(launcher) == []


def test_a_second_run_keeps_it(run):
    run()
    _, _, launcher = run()
    assert launcher.jobs == []


def test_where_one_alone_competes_nothing_is_run_again(run):
    _, _, launcher = run(strategies="lora")
    assert again(launcher) == []


def test_the_base_is_evaluated_once_and_stands_beside_every_seed(run):
    read, _, launcher = run(seeds=3, repeat=False)
    bases = [j for j in launcher.jobs if not j.cell.trains]
    assert [j.evaluates for j in bases] == [True, False, False]
    assert all(j.evaluates for j in launcher.jobs if j.cell.trains)
    first, *others = [r for r in read.records if not r.cell.trains]
    assert first.examples
    assert [r.examples for r in others] == [first.examples] * 2
    assert [r.evaluated_in for r in others] == [first.cell.id] * 2
