"""A worker on another machine than the one that planned its cell."""

from __future__ import annotations

import pytest
from records import cell, environment, job_of

from llmbench.worker import __main__ as worker
from llmbench.worker import cell as worker_cell

PLANNED, HERE = environment("cpu"), environment("cpu", device_name="another processor")


@pytest.mark.parametrize(("elsewhere", "expected"), [(False, PLANNED), (True, HERE)])
def test_the_record_tells_of_the_machine_on_which_the_cell_ran(
    elsewhere, expected, tmp_path, monkeypatch
):
    seen = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(worker, "collect", lambda device: HERE)
    monkeypatch.setattr("llmbench.worker.preload.preload", lambda: None)
    monkeypatch.setattr(worker_cell, "run", lambda job, say: seen.append(job.environment))
    worker.run(job_of(cell("lora"), tmp_path, elsewhere=elsewhere), lambda event: None, 1)
    assert seen == [expected]
