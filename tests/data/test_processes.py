"""Processes that draw: leaving ends the running ones, and no others start."""

import multiprocessing
import operator
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from ganns.data.processes import in_background, in_processes


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
