"""What can be wrong with a worker's machine: its clock, its disk."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

from ganns.config import SyntheticData
from ganns.data import open_images
from tests.support.helpers import ROOT, wait_until
from tests.worker.classroom import endless

AN_HOUR_WRONG = """
# Python reads this at its start: every clock that a person could have set wrong is wrong from then on.
import datetime, time
_time = time.time
time.time = lambda: _time() + {offset}
_real = datetime.datetime
class _Wrong(_real):
    @classmethod
    def now(cls, tz=None):
        return _real.fromtimestamp(_time() + {offset}, tz)
    @classmethod
    def utcnow(cls):
        return _real.fromtimestamp(_time() + {offset}, datetime.timezone.utc).replace(tzinfo=None)
datetime.datetime = _Wrong
import os
open(os.environ["WRONG_CLOCK_MARK"], "a").write("x")
"""


@pytest.mark.slow
@pytest.mark.parametrize("offset", [3600, -3600], ids=["an hour fast", "an hour slow"])
def test_a_wrong_clock(classroom, tmp_path, offset):
    """One right and one wrong: units that fail on the wrong one are retried when the server's clock says so."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(AN_HOUR_WRONG.format(offset=offset))
    mark = tmp_path / "mark"
    wrong = classroom.worker(
        "wrong", PYTHONPATH=str(folder), WRONG_CLOCK_MARK=str(mark), GANNS_HOME=str(tmp_path / "home")
    )
    classroom.coordinate()
    classroom.wait_rounds(3, timeout_s=120)
    assert len(mark.read_text()) >= 2  # the supervisor and its child
    classroom.wait_works(wrong)
    # A unit that fails is put off by seconds of the server's clock, not by an hour of the wrong one: this machine
    # cannot do any, for its disk gives errors.
    both = f"{folder}{os.pathsep}{ROOT}"
    classroom.worker("broken", app="tests.support.broken_disk.app", PYTHONPATH=both, WRONG_CLOCK_MARK=str(mark))
    seen = []
    wait_until(
        lambda: (
            seen.append(
                classroom.one(
                    "SELECT extract(epoch FROM scheduled_at - now())::float8 FROM procrastinate.procrastinate_jobs "
                    "WHERE status = 'todo' AND attempts > 0 AND scheduled_at IS NOT NULL"
                )
            )
            or seen[-1]
        ),
        timeout_s=60,
        what=lambda: f"a unit to fail and be put off: {classroom.logs()}",
    )
    assert abs(seen[-1][0]) < 30
    classroom.wait_works(wrong)


@pytest.fixture
def small_disk(tmp_path):
    """Yield a file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"cannot mount: {done.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.slow
def test_a_full_disk(classroom, tmp_path, small_disk):
    """Its images do not fit: the machine says so and pauses, others work, and it joins in once there is room."""
    config = endless(data=SyntheticData(count=400, holdout=8))  # 1.2 MB, decoded
    full = classroom.worker("full", GANNS_HOME=str(small_disk))
    classroom.coordinate(config)
    wait_until(lambda: "No space left" in full.log, timeout_s=90, what="the disk to be full")
    child = full.child()
    other = classroom.worker("other", GANNS_HOME=str(tmp_path / "home"))
    classroom.wait_works(other)
    assert classroom.credit("full") == 0
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    classroom.wait_works(full)
    assert full.child() == child  # neither killed by the system (SIGBUS) nor by us


def test_a_full_disk_is_an_error_and_not_a_signal(tmp_path, monkeypatch):
    """Where nothing can be mounted: the space is asked for before the file is mapped."""

    def full(fd, offset, length):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        open_images(SyntheticData(count=40, holdout=8), 32, tmp_path)
    assert not list(tmp_path.glob("*.npy"))
    assert not list(tmp_path.glob("*.partial"))
