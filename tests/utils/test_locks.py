"""Locks between processes and threads."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ganns.utils.locks import FileLock, one_at_a_time
from tests.support.helpers import wait_until


def test_a_lock_is_shared_or_held_alone(tmp_path: Path) -> None:
    one, two, three = (FileLock(tmp_path / "lock") for _ in range(3))
    one.share()
    two.share()
    assert not three.try_take()
    two.release()
    assert not three.try_take()
    one.release()
    assert three.try_take()
    three.release()
    three.release()
    with one:
        assert not two.try_take()
    assert two.try_take()
    two.release()


def test_a_lock_is_not_inherited_by_programs_that_we_start(tmp_path: Path) -> None:
    """The server itself is such a program: it would hold the lock of the process that started it."""
    lock = FileLock(tmp_path / "lock")
    lock.share()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
        lock.release()
        wait_until(FileLock(tmp_path / "lock").try_take, what="the child's exec, which closes its copy")
        assert child.stdin is not None
        child.stdin.write(b"\n")
    assert os.listdir(tmp_path) == ["lock"]


def test_threads_and_objects_take_turns(tmp_path: Path) -> None:
    """A lock of `lockf`'s kind belongs to the process: all threads would get it, and write one partial file."""
    inside: list[int] = []
    most: list[int] = []
    waited: list[int] = []

    def turn(number: int) -> None:
        with one_at_a_time(tmp_path / "made", lambda: waited.append(number)):
            inside.append(number)
            most.append(len(inside))
            if number == 0:
                wait_until(lambda: len(waited) == 3, what="the others, which must wait")
            inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(turn, 0)
        wait_until(lambda: inside == [0], what="the first one inside")
        for job in [first, *(pool.submit(turn, number) for number in (1, 2, 3))]:
            job.result()
    assert most == [1, 1, 1, 1]


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    text = (
        f"from ganns.utils.locks import one_at_a_time\nwith one_at_a_time({str(tmp_path / 'made')!r}): print(); input()"
    )
    with subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        waited: list[str] = []

        def kill() -> None:
            waited.append("waited")
            child.kill()

        with one_at_a_time(tmp_path / "made", kill):
            assert waited == ["waited"]
