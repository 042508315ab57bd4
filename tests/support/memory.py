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
_ROOM = 4 << 30  # bytes; pytest's processes together used less than 2 GB


def folder_in_memory() -> str | None:
    """Return a folder in memory, for `tempfile`; None (its usual folder) where that is missing or small."""
    if not os.access(_SHARED_MEMORY, os.W_OK):
        return None
    has_room = min(shutil.disk_usage(_SHARED_MEMORY).free, psutil.virtual_memory().available // 2) > _ROOM
    return str(_SHARED_MEMORY) if has_room else None


def remove_left(prefix: str) -> None:
    """Remove the folders `prefix` + pid + `-...` of processes that were killed: nobody else frees the memory."""
    for folder in _SHARED_MEMORY.glob(f"{prefix}[0-9]*-*"):
        pid = folder.name.removeprefix(prefix).split("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
