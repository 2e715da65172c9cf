from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from llmbench import process as tree

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="groups are for others")

FAMILY = """
import os, subprocess, sys, time
if os.fork() == 0:
    time.sleep(600)
away = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
    start_new_session=True, stdout=subprocess.DEVNULL)
print(away.pid, flush=True)
time.sleep(600)
"""


def started(code: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )


def gone(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return psutil.wait_procs([process], timeout=30)[1] == []
    except psutil.NoSuchProcess:
        return True


def test_ending_a_process_ends_what_it_started_in_its_group_and_out_of_it():
    process = started(FAMILY)
    away = int(process.stdout.readline())
    tree.end(process.pid)
    assert process.wait() == -signal.SIGKILL
    assert process.stdout.read() == b""  # ends when the forked one has closed it too
    assert gone(away)


def test_the_group_of_a_leader_that_has_ended_ends_too():
    process = started("import os, time\nif os.fork() == 0: time.sleep(600)\nprint(flush=True)")
    process.stdout.readline()
    process.wait()
    tree.end_group(process.pid)
    assert process.stdout.read() == b""


def test_ending_a_process_that_has_ended_is_fine():
    process = started("")
    process.wait()
    tree.end(process.pid)
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has such a kernel")
def test_a_process_ends_with_its_parent():
    parent = started(
        "import os, time\n"
        "from llmbench import process as tree\n"
        "me = os.getpid()\n"
        "if os.fork() == 0:\n"
        "    tree.end_with_parent(me)\n"
        "    print('alive', flush=True)\n"
        "time.sleep(600)\n"
    )
    assert parent.stdout.readline() == b"alive\n"
    parent.kill()
    assert parent.stdout.read() == b""
    parent.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux can be asked to tell")
def test_what_is_in_the_group_of_a_process_that_is_killed_ends_with_it():
    process = started(
        "import os, time\n"
        "from llmbench import process as tree\n"
        "tree.watch_over(os.getppid())\n"
        "print('alive', flush=True) if os.fork() else None\n"
        "time.sleep(600)\n"
    )
    assert process.stdout.readline() == b"alive\n"
    process.kill()
    assert process.stdout.read() == b""  # ends when all have closed it
    process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux can be asked to tell")
def test_a_process_that_is_watched_over_ends_with_its_parent_and_all_that_it_started():
    watched = f"from llmbench import process as tree\ntree.watch_over(os.getppid())\n{FAMILY}"
    parent = started(
        f"import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {'import os' + chr(10) + watched!r}])\n"
        "time.sleep(600)\n"
    )
    away = int(parent.stdout.readline())
    parent.kill()
    assert gone(away)
    assert parent.stdout.read() == b""  # ends when all have closed it
    parent.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has processes adopt others")
def test_what_a_child_let_go_of_ends_as_a_child_of_its_own_would():
    process = started(
        "import os, sys, time\n"
        "from llmbench import process as tree\n"
        "tree.adopt_orphans()\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        print(os.getpid(), flush=True)\n"
        "        time.sleep(600)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "sys.stdin.readline()\n"
        "tree.end_children()\n"
        "print('ended', flush=True)\n"
    )
    let_go = int(process.stdout.readline())
    assert psutil.pid_exists(let_go)
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.stdout.readline() == b"ended\n"
    process.wait()
    assert gone(let_go)


def test_a_process_whose_parent_is_not_there_any_more_ends_at_once():
    other = 1 if os.getpid() != 1 else 2
    process = started(
        f"from llmbench import process as tree; tree.end_with_parent({other}); print('alive')"
    )
    assert process.communicate()[0] == b""
    assert process.returncode == 1
