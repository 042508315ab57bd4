"""What a worker is: hardware and versions, for `ganns tasks workers` and for routing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
import sys
from typing import Any

from tasks.abilities import memory_mb


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
