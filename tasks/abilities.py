"""What this machine can do, for the routing of tasks: found without importing torch, or said by the environment."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import socket
import sys

VARIABLE = "GANNS_ABILITIES"
"""Overrides what is found: `GANNS_ABILITIES=cpu,cuda,lab`. Any word can be required by a task."""


def abilities() -> list[str]:
    """Return the sorted words: always `cpu`, where there is one `cuda` or `mps`."""
    if said := os.environ.get(VARIABLE):
        return sorted({word.strip() for word in said.split(",") if word.strip()})
    found = {"cpu"}
    if shutil.which("nvidia-smi") or os.path.exists("/proc/driver/nvidia/version"):
        found.add("cuda")
    if sys.platform == "darwin" and platform.machine() == "arm64":
        found.add("mps")
    return sorted(found)


def memory_mb() -> int:
    """Return this machine's memory in MB (2**20 bytes); 0 where it cannot be found out."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (AttributeError, ValueError, OSError):
        return 0


def worker_name() -> str:
    """Return this worker's name, as the class sees it."""
    if name := os.environ.get("GANNS_WORKER_NAME"):
        return name
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no such user: a container
        user = "worker"
    return f"{user}@{socket.gethostname()}"
