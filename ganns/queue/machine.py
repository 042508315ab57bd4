"""What this machine can do, for the routing of tasks: found without importing torch, or said by the environment."""

from __future__ import annotations

import getpass
import importlib.metadata
import os
import platform
import shutil
import socket
import sys
from typing import Any

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


def program_version() -> str:
    """Return the version of the installed program."""
    return importlib.metadata.version("ganns")


def is_older(mine: str, required: str) -> bool:
    """Compare major.minor: a patch changes no result."""
    return bool(required) and _major_minor(mine) < _major_minor(required)


def _major_minor(version: str) -> tuple[int, ...]:
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:2])


def describe() -> dict[str, Any]:
    """Return device, threads, memory_mb, host, system and the versions of what decides on results.

    torch is described if a task's module has loaded it: a worker of other tasks need not have it.
    """
    info: dict[str, Any] = {
        "device": os.environ.get("GANNS_DEVICE") or "cpu",
        "threads": os.cpu_count(),
        "memory_mb": memory_mb(),
        "host": socket.gethostname(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "ganns": program_version(),
        "procrastinate": importlib.metadata.version("procrastinate"),
        "pid": os.getpid(),
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        info |= {"torch": torch.__version__, "threads": torch.get_num_threads()}
        if not os.environ.get("GANNS_DEVICE"):
            if torch.cuda.is_available():
                info |= {"device": "cuda", "gpu": torch.cuda.get_device_name()}
            elif torch.backends.mps.is_available():
                info["device"] = "mps"
    return info
