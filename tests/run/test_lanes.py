"""Cells that run at once: which GPUs they have, and how the lanes share the work."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from records import environment

from llmbench.errors import ConfigError, StoreError
from llmbench.machine import GpuFacts
from llmbench.run import lanes

GIB = 2**30
GPUS = tuple(GpuFacts("NVIDIA H100", 2**36, 2**36, "580", f"GPU-{n}") for n in "abc")


def setup(jobs, device="cuda", launcher="auto"):
    config = SimpleNamespace(jobs=jobs, launcher=launcher, settings=SimpleNamespace(gpus=1))
    return SimpleNamespace(environment=environment(device), config=config)


def test_one_job_leaves_the_choice_of_the_gpu_as_it_is(registry):
    assert lanes.visible(setup(1), GPUS) == [None]
    assert lanes.used(setup(1), GPUS) == GPUS[:1]
    assert lanes.notices(setup(1)) == ()


def test_every_lane_has_a_gpu_of_its_own_and_the_report_says_so(registry):
    assert lanes.visible(setup(2), GPUS) == ["GPU-a", "GPU-b"]
    assert lanes.used(setup(2), GPUS) == GPUS[:2]
    assert lanes.notices(setup(2))[0].startswith("2 cells ran at once, each on a GPU of its own")


def test_more_jobs_than_gpus_are_refused_with_the_number_that_can_be(registry):
    with pytest.raises(ConfigError, match=r"only 3: take --jobs 3\."):
        lanes.check(setup(4), GPUS)
    with pytest.raises(ConfigError, match=r"none: take --jobs 1\."):
        lanes.check(setup(2, device="cpu"), GPUS)


def test_cells_are_not_measured_on_different_gpus(registry):
    mixed = (GPUS[0], GPUS[1]._replace(name="NVIDIA T4"))
    with pytest.raises(ConfigError, match=r"different GPUs \(NVIDIA H100, NVIDIA T4\)"):
        lanes.check(setup(2), mixed)


def tries(cpu_count=16, memory=80 * GIB, **changed):
    there = environment("cuda").model_copy(
        update={"cpu_count": cpu_count, "device_memory_bytes": memory}
    )
    wanted = {"shared_gpu": False, "cell_timeout": None, **changed}
    asked = setup(wanted.pop("jobs", 1), wanted.pop("device", "cuda"))
    vars(asked.config).update(wanted)
    if asked.environment.device == "cuda":
        asked.environment = there
    return asked


def test_tries_share_a_gpu_as_half_of_its_memory_and_the_processor_allow(registry):
    small = [2 * GIB] * 15
    assert lanes.tries_at_once(tries(), small) == lanes.MOST_TRIES
    assert lanes.tries_at_once(tries(), [2 * GIB, 12 * GIB]) == 2
    assert lanes.tries_at_once(tries(), [*small, 12 * GIB]) == 3  # 12.8 GiB each, of 40
    assert lanes.tries_at_once(tries(), [35 * GIB] * 6) == 1
    assert lanes.tries_at_once(tries(cpu_count=6), small) == 3
    assert lanes.tries_at_once(tries(jobs=4), small) == 2
    assert lanes.tries_at_once(tries(cpu_count=1), small) == 1


@pytest.mark.parametrize("changed", [{"device": "cpu"}, {"shared_gpu": True}, {"cell_timeout": 60}])
def test_tries_run_alone_where_others_would_be_in_their_way(registry, changed):
    assert lanes.tries_at_once(tries(**changed), [GIB] * 4) == 1


def test_tries_run_alone_where_nobody_knows_what_they_need(registry):
    assert lanes.tries_at_once(tries(), [GIB, None]) == 1
    assert lanes.tries_at_once(tries(), []) == 1


def test_workers_of_a_further_lane_are_started_once_and_all_are_ended():
    made = []

    def make():
        made.append(SimpleNamespace(told=[]))
        for word in ("interrupt", "close"):
            setattr(made[-1], word, lambda told=made[-1].told, word=word: told.append(word))
        return made[-1]

    crew = lanes.Crew(make)
    assert crew.first(1) == made[:1]
    assert crew.first(3) == made
    assert crew.first(1) == made[:1]
    crew.interrupt()
    crew.close()
    assert [one.told for one in made] == [["interrupt", "close"]] * 3


def test_two_lanes_run_at_once_and_take_what_is_next():
    both, done = threading.Barrier(2, timeout=20), []

    def lane(cell):
        both.wait()  # neither gets past here alone
        done.append(cell)
        return True

    assert lanes.run([lane, lane], range(6))
    assert sorted(done) == list(range(6))


def test_nothing_is_begun_once_a_lane_says_so():
    begun = []

    def lane(cell):
        begun.append(cell)
        return cell != 1

    assert not lanes.run([lane], range(5))
    assert begun == [0, 1]


def test_what_a_lane_raises_is_raised_when_the_others_have_ended():
    both, raised, ended = threading.Barrier(2, timeout=20), threading.Event(), []

    def breaks(cell):
        both.wait()
        raised.set()
        raise StoreError("The disk is full.")

    def ends(cell):
        both.wait()
        assert raised.wait(20)
        ended.append(cell)
        return True

    with pytest.raises(StoreError, match="disk is full"):
        lanes.run([breaks, ends], range(5))
    assert len(ended) == 1
