"""Comparisons whose output directory is a place that fsspec reaches."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from records import ok
from s3 import S3
from scripted import ctrl_c, finish

from llmbench.errors import StoreError
from llmbench.record.events import Notice
from llmbench.run import comparison
from llmbench.storage import place
from llmbench.storage.export import Written
from llmbench.storage.store import Store


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """Has copies in a folder of the test, and nothing waited for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(place, "WAITS", (0, 0))
    MemoryFileSystem.store.clear()


@pytest.fixture
def s3(monkeypatch):
    """A server on loopback that speaks S3."""
    s3fs = pytest.importorskip("s3fs", reason="s3fs, which speaks S3, is not installed")
    settings = {
        "AWS_ENDPOINT_URL": "",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with S3() as server:
        for name, value in {**settings, "AWS_ENDPOINT_URL": server.address}.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
        s3fs.S3FileSystem.clear_instance_cache()


def in_memory() -> dict[str, bytes]:
    found = {n.removeprefix("/team/one/"): f for n, f in MemoryFileSystem.store.items()}
    return {name: file.getvalue() for name, file in found.items()}


@pytest.fixture(params=["memory", "file", "s3"])
def somewhere(request, tmp_path):
    """The URL of a place, and what is there, by name."""
    if request.param == "memory":
        return "memory://team/one", in_memory
    if request.param == "file":
        folder = tmp_path / "share" / "one"
        return f"file://{folder}", lambda: files(folder)
    server = request.getfixturevalue("s3")
    return "s3://bucket/one", lambda: {
        name.removeprefix("one/"): content for name, content in server.objects.items()
    }


def files(folder: Path) -> dict[str, bytes]:
    """The files of a folder that are not hidden, by name."""
    found = (p for p in folder.rglob("*") if p.is_file())
    named = {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}
    return {name: content for name, content in named.items() if not name.startswith(".")}


def another_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))


def test_a_place_has_what_a_folder_would_have(run, somewhere, monkeypatch):
    url, there = somewhere

    def export(compared, directory):
        (directory / "report.html").write_text("<p>")
        return Written([directory / "report.html"], [])

    monkeypatch.setattr(comparison, "export", export)
    store, heard, launcher = run(output=url)
    assert launcher.ran == ["base", "full", "lora"]
    assert there() == files(store.root)
    assert {"comparison.json", "report.html", "data/train.jsonl"} < there().keys()
    assert len([n for n in there() if n.startswith("records/")]) == 3
    said = [e.reason for e in heard.events if isinstance(e, Notice) and url in e.reason]
    assert len([s for s in said if "another machine" in s]) == 1
    assert store.read_header().name == "one"


def test_each_record_is_there_once_its_cell_has_ended(run, monkeypatch):
    seen = []

    def look(job, log):
        seen.append(sum(n.startswith("records/") for n in in_memory()))
        return finish(job, log)

    run({"base": look, "full": look, "lora": look}, output="memory://team/one")
    assert seen == [0, 1, 2]


def test_another_machine_goes_on_where_one_was_interrupted(run, somewhere, monkeypatch, tmp_path):
    url, there = somewhere
    first = run({"full": ctrl_c}, output=url)[2]
    assert first.ran == ["base", "full"]
    another_machine(monkeypatch, tmp_path)
    store, _, second = run(output=url)
    assert second.ran == ["full", "lora"]
    assert {r.status for r in store.read().records} == {"ok"}
    assert len([n for n in there() if ".attempt-1.json" in n]) == 1
    assert run(output=url)[2].ran == []


def test_the_log_of_an_earlier_attempt_stays_at_the_place(run, monkeypatch, tmp_path):
    def killed(job, log):
        log.write_text("the first\n")
        return 1

    def well(job, log):
        log.write_text("the second\n")
        return finish(job, log)

    run({"full": killed}, output="memory://team/one")
    another_machine(monkeypatch, tmp_path)
    run({"full": well}, output="memory://team/one", retry="failed")
    logs = {n.split(".", 4)[4]: c for n, c in in_memory().items() if n.startswith("logs/full")}
    assert logs == {"attempt-1.log": b"the first\n", "log": b"the second\n"}


def test_a_place_that_fails_in_the_middle_costs_nothing(run, s3, tmp_path):
    s3.fails = lambda method, key: 403 if (method, "records/full" in key) == ("PUT", True) else 0
    with pytest.raises(StoreError, match=r"AccessDenied.*is kept in.*same command") as failed:
        run(output="s3://bucket/one")
    copy = place.copy_of("s3://bucket/one")
    assert f"--output {copy} goes on" in str(failed.value)
    assert len(list((copy / "records").glob("full*.json"))) == 1
    assert not any(n.startswith("one/records/full") for n in s3.objects)
    s3.fails = lambda method, key: 0
    assert run(output="s3://bucket/one")[2].ran == ["lora"]
    assert any(n.startswith("one/records/full") for n in s3.objects)


def test_a_comparison_goes_on_in_its_copy_without_the_place(run, s3):
    s3.fails = lambda method, key: 403 if "records/full" in key else 0
    with pytest.raises(StoreError):
        run(output="s3://bucket/one")
    assert run(output=str(place.copy_of("s3://bucket/one")))[2].ran == ["lora"]


def test_what_was_measured_in_the_copy_alone_is_sent_the_next_time(run):
    run(output="memory://team/one", strategies="full")
    copy = place.copy_of("memory://team/one")
    assert run(output=str(copy))[2].ran == ["lora"]
    assert run(output="memory://team/one")[2].ran == []
    assert in_memory() == files(copy)


def test_what_fails_once_is_tried_again(run, monkeypatch):
    put, failures = MemoryFileSystem.put_file, iter([OSError("reset"), OSError("reset")])

    def unsteady(self, *args, **kwargs):
        for failure in failures:
            raise failure
        return put(self, *args, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "put_file", unsteady)
    store, *_ = run(output="memory://team/one")
    assert in_memory() == files(store.root)


def test_what_would_fail_again_is_not_tried_again(run, s3, monkeypatch):
    monkeypatch.setattr(place, "WAITS", (3600,))
    s3.fails = lambda method, key: 403 if method == "PUT" else 0
    with pytest.raises(StoreError, match="AccessDenied"):
        run(output="s3://bucket/one")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "nothing")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "nothing")
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
    with pytest.raises(StoreError, match="Unable to locate credentials"):
        Store.fetched("s3://bucket/one")


def test_a_place_that_was_emptied_is_begun_anew(run):
    run(output="memory://team/one")
    MemoryFileSystem.store.clear()
    assert run(output="memory://team/one")[2].ran == ["base", "full", "lora"]


def test_nothing_hidden_and_nothing_behind_a_link_leaves_the_machine(run, tmp_path):
    (tmp_path / "private").write_text("mine")
    copy = place.copy_of("memory://team/one")
    copy.mkdir(parents=True)
    (copy / "link").symlink_to(tmp_path / "private")
    run(output="memory://team/one")
    names = in_memory().keys()
    assert not any(part.startswith(".") for name in names for part in name.split("/"))
    assert "link" not in names


def test_what_lets_in_is_written_nowhere(run, tmp_path):
    url = "memory://zaphod:Heart0fGold@team/one"
    _, heard, _ = run(output=url)
    said = " ".join(e.reason for e in heard.events if isinstance(e, Notice))
    kept = b"".join(files(tmp_path / "cache").values()).decode()
    assert "memory://[secret]@team/one" in said
    for text in (said, kept, str(place.copy_of(url))):
        assert "Heart0fGold" not in text
    assert place.copy_of(url) == place.copy_of("memory://team/one")


@pytest.mark.parametrize("there", [ok("full", attempt=1).model_dump_json(), '{"schema_ver'])
def test_a_later_attempt_that_was_not_sent_is_kept(there, tmp_path):
    """Or one that the place has a part of only."""
    name = ok("full").cell.id
    MemoryFileSystem().pipe_file(f"/team/one/records/{name}.json", there.encode())
    MemoryFileSystem().pipe_file(f"/team/one/logs/{name}.log", b"earlier")
    store = Store.at("memory://team/one")
    store.create()
    (store.records / f"{name}.json").write_text(ok("full", attempt=2).model_dump_json())
    (store.logs / f"{name}.log").write_text("later")
    store.place.begin()
    store.send(store.root)
    assert store.record(name).attempt == 2
    assert in_memory()[f"logs/{name}.log"] == b"later"
    assert in_memory()[f"records/{name}.json"] == (store.records / f"{name}.json").read_bytes()


def test_an_earlier_attempt_is_replaced_by_what_the_place_has(tmp_path):
    name = ok("full").cell.id
    later = ok("full", attempt=2).model_dump_json()
    MemoryFileSystem().pipe_file(f"/team/one/records/{name}.json", later.encode())
    store = Store.at("memory://team/one")
    store.create()
    (store.records / f"{name}.json").write_text(ok("full", attempt=1).model_dump_json())
    store.place.begin()
    assert store.record(name).attempt == 2
