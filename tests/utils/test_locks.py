"""The lock that says who uses the embedded server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ganns.utils.locks import FileLock
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
