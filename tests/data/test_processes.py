"""Processes that draw: leaving ends the running ones, no others start, and none is left behind."""

import multiprocessing
import operator
import os
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from ganns.data.processes import in_background, in_processes
from tests.support.helpers import wait_until


def test_what_starts_after_the_end_is_refused():
    go = threading.Event()

    def work():
        go.wait(60)
        return list(in_processes(operator.add, [(1, 2), (3, 4)]))

    with in_background(work) as job:
        releasing = threading.Timer(0.2, go.set)  # when the block has ended, whose end waits for the thread
        releasing.start()
    releasing.join()
    with pytest.raises(BrokenProcessPool, match="leaving"):
        job.result(0)


@pytest.mark.slow
def test_what_runs_is_ended_and_the_next_may_start():
    with in_background(lambda: list(in_processes(time.sleep, [(600,), (600,)]))) as job:
        while not multiprocessing.active_children() and not job.done():
            threading.Event().wait(0.01)
    assert isinstance(job.exception(0), BrokenProcessPool)
    assert multiprocessing.active_children() == []
    with in_background(lambda: list(in_processes(operator.add, [(1, 2), (3, 4)]))) as job:
        assert job.result(60) == [3, 7]


def test_a_killed_program_leaves_no_drawing_processes_behind():
    """A notebook's kernel, or a worker, that is killed while it draws: its processes read from a pipe for ever."""
    code = (
        "import os, time; from ganns.data.processes import in_processes\n"
        "if __name__ == '__main__':\n"
        "    pids = in_processes(os.getpid, [()] * 2)\n"
        "    print(next(pids), flush=True)\n"
        "    os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    pid = int(done.stdout)

    def is_gone():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"  # nobody waits for it in some containers

    wait_until(is_gone, what=f"the end of process {pid}")
