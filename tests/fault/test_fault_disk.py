"""A disk that is full, a directory that cannot be written, and one that is deleted in mid-run."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import begins

from llmbench import errors

QUICK = ("--launcher", "quick", "--strategies", "full")
PAGE = 4096


@contextmanager
def disk(folder: Path, size: int):
    """A file system of that many bytes at the folder; its `change` takes other mount options."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield lambda options: subprocess.run(
            ["mount", "-o", f"remount,{options}", str(folder)], check=True
        )
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def one_sentence(ended) -> bool:
    """Whether it ended with a sentence of what to do, and no traceback."""
    text = ended.errors.strip()
    return (
        ended.status == errors.USAGE
        and text.startswith("llmbench: ")
        and "\n" not in text
        and ("--output" in text or "run it again" in text)
    )


def test_every_write_in_turn_finds_no_room(comparison, aftermath, often):
    """The parent's writes, one after the other, until a run has so few that none of them fails."""
    found = aftermath("no room for one write of the parent")
    number, step, report = 1, often(1, 5), often(True, False)
    while True:
        made = comparison(*QUICK)
        ended = made.run(report=report, FAILING_WRITE=str(number))
        if ended.status == errors.OK:
            break
        assert one_sentence(ended), ended.errors
        assert "No space left on device" in ended.errors
        found.look(made, ended)
        found.run_again(made)
        number += step
    assert number > 5


def test_a_disk_of_any_size_that_is_too_small(comparison, aftermath, often, tmp_path):
    """From a page to enough, a page more each time; the parent runs out of room, or a worker."""
    found, seeds = aftermath("a disk that is full"), ("--seeds", "3")
    for pages in often(range(1, 1000), [5]):
        made = comparison(*QUICK, *seeds)
        with disk(made.root, pages * PAGE) as change:
            ended = made.run(report=often(True, False))
            if ended.status == errors.OK:
                break
            assert one_sentence(ended), ended.errors
            found.look(made, ended)
            change("size=64m")
            found.run_again(made)


def test_a_directory_that_cannot_be_written(comparison, aftermath):
    made = comparison(*QUICK)
    with disk(made.root, 2**26) as change:
        change("ro")
        ended = made.run()
        assert one_sentence(ended), ended.errors
        found = aftermath("a directory that cannot be written")
        found.look(made, ended)
        change("rw")
        found.run_again(made)


def test_a_directory_that_cannot_be_written_any_more(comparison, aftermath):
    """Not even by root: its records' folder is made immutable."""
    made = comparison(*QUICK, "--seeds", "2")

    def change(flag):
        return subprocess.run(["chattr", flag, made.store.records], capture_output=True).returncode

    def freeze(event, parent):
        if begins(event, "full", "train") and change("+i"):
            pytest.skip("no folder can be made immutable here")

    try:
        ended = made.run(on_event=freeze, QUICK_SECONDS="0.2")
    finally:
        change("-i")
    assert one_sentence(ended), ended.errors
    assert "what was measured before is kept" in ended.errors
    found = aftermath("a directory that cannot be written any more")
    found.look(made, ended)
    found.run_again(made)


def test_a_directory_that_is_deleted_in_mid_run(comparison, aftermath):
    made = comparison(*QUICK)

    def delete(event, parent):
        if begins(event, "full", "train"):
            shutil.rmtree(made.root)

    ended = made.run(on_event=delete, QUICK_SECONDS="0.2")
    assert one_sentence(ended), ended.errors
    assert "was removed while the comparison ran" in ended.errors
    assert not made.root.exists()
    found = aftermath("a directory that is deleted in mid-run")
    found.run_again(made)
    found.times += 1
