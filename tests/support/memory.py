"""A folder in memory for the tests' databases, where there is room.

Each test makes a database of some 300 files and drops it. ext4 does not use a deleted file's place again for five
seconds, and looks at each such place before it makes a file: on a disk, that took half of the suite's processor time.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

_SHARED_MEMORY = Path("/dev/shm")  # Linux; a tmpfs, by default of half the memory
_PREFIX = "ganns-tests-"  # + pid + "-..."
_ROOM = 4 << 30  # bytes; pytest's processes together used less than 2 GB


def in_memory() -> dict[str, str | None]:
    """Return what `tempfile` needs for a folder in memory; in its usual place where memory is missing or small."""
    return {"prefix": f"{_PREFIX}{os.getpid()}-", "dir": str(_SHARED_MEMORY) if _has_room() else None}


def _has_room() -> bool:
    if not os.access(_SHARED_MEMORY, os.W_OK):
        return False
    return min(shutil.disk_usage(_SHARED_MEMORY).free, psutil.virtual_memory().available // 2) > _ROOM


def remove_left() -> None:
    """Remove the folders of processes that were killed: nobody else frees the memory."""
    for folder in _SHARED_MEMORY.glob(f"{_PREFIX}[0-9]*-*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
