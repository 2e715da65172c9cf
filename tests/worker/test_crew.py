"""Processes that share the work of one."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures.process import BrokenProcessPool

import pytest

from llmbench.worker.estimate.crew import each


def test_one_process_does_all_by_itself():
    made = list(each(3, 1, lambda number: f"{number} {os.getpid()}"))
    assert made == [(n, f"{n} {os.getpid()}") for n in range(3)]


@pytest.mark.skipif(sys.platform != "linux", reason="Only there can it be forked.")
def test_forked_processes_do_each_number_once():
    made = dict(each(5, 2, lambda number: f"{number} {os.getpid()}"))
    assert {n: text.split()[0] for n, text in made.items()} == {n: str(n) for n in range(5)}
    assert str(os.getpid()) not in {text.split()[1] for text in made.values()}


@pytest.mark.skipif(sys.platform != "linux", reason="Only there can it be forked.")
@pytest.mark.parametrize(("ends", "raised"), [(os._exit, BrokenProcessPool), (chr, TypeError)])
def test_what_goes_wrong_in_one_ends_all(ends, raised):
    with pytest.raises(raised):
        list(each(4, 2, lambda number: str(number) if number else ends(1) + 1))
    assert not multiprocessing.active_children()
