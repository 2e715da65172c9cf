"""Cells on a Ray cluster of this machine's, which pretends to have GPUs."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time

import pytest
from records import cell, environment, job_of

from llmbench.errors import ConfigError
from llmbench.machine import collect
from llmbench.plugin.launcher import CannotLaunch
from llmbench.workers.job import Job
from llmbench.workers.spawn import Spawn
from llmbench_cluster import on_ray, parcel
from llmbench_cluster.behind import Behind
from llmbench_cluster.on_ray import Ray

ray = pytest.importorskip("ray", reason="The package ray is not installed: llmbench[ray].")


@pytest.fixture(scope="module")
def cluster():
    """Two processors and two GPUs, as far as Ray knows."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


class Local(Behind):
    """The same workers, without a cluster."""

    def __init__(self):
        super().__init__(None)

    command = Spawn.command


def facts(store):
    """Every record without what differs from run to run."""
    apart = {"started_at", "start_seconds", "environment"}
    return sorted(r.model_dump_json(exclude=apart) for r in store.read().records)


def statuses(store):
    return {r.cell.composition: r.status for r in store.read().records}


def test_eight_cells_leave_what_they_leave_without_a_cluster(cluster, compare, told, tmp_path):
    values = {"strategies": "full,lora,lora(r=4)", "seeds": 2, "jobs": 2}
    store, heard = compare(Ray, **values)
    job = Job.model_validate_json((told / "lora.s0.1").read_text())
    alone, _ = compare(Local, output=str(tmp_path / "alone"), **values)
    assert len(store.read().records) == 8
    assert facts(store) == facts(alone)
    assert {e.phase for e in heard.events if e.event == "phase"} == {"train"}
    assert "the log of lora\n" in (store.logs / f"{job.cell.id}.log").read_text()
    own = (job.train_file, job.eval_file, job.record_file, job.work_folder)
    assert job.elsewhere
    assert not any(p.is_relative_to(tmp_path) for p in own)


def test_killed_workers_lost_records_and_lost_machines_are_records(cluster, compare):
    acts = {
        "full": "lost once",
        "lora": "killed",
        "lora(r=4)": "leaves nothing",
        "lora(r=8)": "lost",
    }
    store, _ = compare(Ray, acts, strategies=",".join(acts), jobs=2)
    found = {r.cell.composition: r for r in store.read().records}
    assert {name: (r.status, r.attempt) for name, r in found.items()} == {
        "base": ("ok", 1),
        "full": ("ok", 2),
        "lora": ("killed", 1),
        "lora(r=4)": ("failed", 1),
        "lora(r=8)": ("killed", 2),
    }
    assert [e.status for e in found["full"].earlier] == ["killed"]
    assert "was lost" in found["lora(r=8)"].reason
    said = [n for n in store.read().header.notices if "is run once more" in n]
    assert len(said) == 2


def test_ctrl_c_ends_what_runs_and_another_launcher_goes_on_from_there(cluster, compare, told):
    def press():
        while not (told / "full.s0.1").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    store, _ = compare(Ray, {"full": "waits"})
    assert statuses(store) == {"base": "ok", "full": "interrupted"}
    again, heard = compare(Local)
    assert statuses(again) == {"base": "ok", "full": "ok", "lora": "ok"}
    assert [kept for _, _, kept in heard.records] == [True, False, False]


def test_ctrl_c_does_not_wait_for_a_machine(cluster, tmp_path):
    class Nothing:
        def there(self):
            return True

    holds_all = ray.remote(num_cpus=2)(Nothing).remote()
    ray.get(holds_all.there.remote())
    job = job_of(cell("lora"), tmp_path, elsewhere=True)
    job.file.write_text(job.model_dump_json())
    launcher = Ray()
    threading.Timer(0.3, launcher.interrupt).start()
    assert launcher.run(job.file, tmp_path / "log", lambda e: None) == -signal.SIGINT
    launcher.close()
    ray.kill(holds_all)


def test_a_gpu_is_asked_for_where_the_cell_wants_one(tmp_path):
    on_cpu = job_of(cell("lora"), tmp_path)
    on_gpu = job_of(cell("lora"), tmp_path, environment=environment("cuda"))
    several = job_of(cell("lora", settings={"gpus": 4}), tmp_path, environment=environment("cuda"))
    assert on_ray.resources(on_cpu) == {"num_cpus": 1}
    assert on_ray.resources(on_gpu) == {"num_cpus": 1, "num_gpus": 1}
    assert on_ray.resources(several)["num_gpus"] == 4


def test_each_cell_has_a_gpu_of_its_own(cluster):
    class Sees:
        def visible(self):
            return os.environ["CUDA_VISIBLE_DEVICES"]

    places = [ray.remote(num_gpus=1, num_cpus=1)(Sees).remote() for _ in range(2)]
    assert sorted(ray.get([p.visible.remote() for p in places])) == ["0", "1"]
    for place in places:
        ray.kill(place)


def test_cells_are_planned_for_a_machine_of_the_cluster(cluster):
    assert Ray.environment("cpu", 1) == collect("cpu")
    with pytest.raises(ConfigError, match=r"has 2 GPUs, and a cell is to have 4"):
        Ray.environment("cuda", 4)
    with pytest.raises(ConfigError, match=r"cannot run cells \(.*No NVIDIA GPU"):
        Ray.environment("auto", 1)  # a machine that only says that it has one


def test_without_ray_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'llmbench\[ray\]'"):
        Ray()


def parcelled(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    return parcel.pack(job_of(cell("lora"), tmp_path / "work", model)), model


def test_a_model_that_the_machine_has_is_taken_there(tmp_path):
    packed, model = parcelled(tmp_path)
    (tmp_path / "there").mkdir()
    assert parcel.unpack(packed, tmp_path / "there", {}).model_source == str(model)


def test_a_model_that_it_has_otherwise_is_sent(tmp_path):
    packed, model = parcelled(tmp_path)
    sent = {str(model): parcel.content(model)}
    (model / "config.json").write_text("{ }")
    (tmp_path / "there").mkdir()
    job = parcel.unpack(packed, tmp_path / "there", sent)
    assert job.model_source != str(model)
    assert parcel.content(tmp_path / job.model_source) == sent[str(model)]


def test_a_model_too_large_to_send_has_to_be_there(tmp_path, monkeypatch):
    packed, model = parcelled(tmp_path)
    monkeypatch.setattr(parcel, "MOST_BYTES", 1)
    assert not parcel.is_sent(packed.folders[str(model)])
    (model / "config.json").unlink()
    (tmp_path / "there").mkdir()
    with pytest.raises(CannotLaunch, match="put it there on every node"):
        parcel.unpack(packed, tmp_path / "there", {})


def test_plugins_and_data_go_with_the_job(tmp_path):
    plugin, data = tmp_path / "mine.py", tmp_path / "data.jsonl"
    plugin.write_text("X = 1\n")
    data.write_text(json.dumps({"text": "x"}))
    job = job_of(cell("lora"), tmp_path / "work", data=data, plugin_files=(plugin,))
    packed = parcel.pack(job)
    plugin.unlink()
    data.unlink()
    (tmp_path / "there").mkdir()
    there = parcel.unpack(packed, tmp_path / "there", {})
    assert there.plugin_files[0].name == "mine.py"
    assert there.plugin_files[0].read_text() == "X = 1\n"
    assert there.train_file == there.eval_file
    assert there.train_file.read_text() == '{"text": "x"}'
