"""This machine's abilities, memory, name and versions, found without importing torch; the environment can set them."""

from __future__ import annotations

import getpass
import importlib.metadata
import os
import platform
import shutil
import socket
import sys
from collections.abc import Mapping
from typing import Any

import psutil

from ganns.db.protocol import PROTOCOL

VARIABLE = "GANNS_ABILITIES"
"""Replaces the abilities that were found: `GANNS_ABILITIES=cpu,cuda,lab`. A task can require any word."""
FIGURES = {"up_mbit": 1e6, "down_mbit": 1e6, "images_per_s": 1e9}
"""The figures that a worker measures, each with its largest possible value: the speed of its link in Mbit/s, and the
images that it computes in a second of computing."""
_figures: dict[str, float] = {}


def abilities() -> list[str]:
    """Return this machine's abilities, sorted: `cpu`, and `cuda` or `mps` if it has one."""
    if said := os.environ.get(VARIABLE):
        return sorted({word.strip() for word in said.split(",") if word.strip()})
    found = {"cpu"}
    if shutil.which("nvidia-smi") or os.path.exists("/proc/driver/nvidia/version"):
        found.add("cuda")
    if sys.platform == "darwin" and platform.machine() == "arm64":
        found.add("mps")
    return sorted(found)


def memory_mb() -> int:
    """Return this machine's memory in MB (2**20 bytes)."""
    return int(psutil.virtual_memory().total) >> 20


def worker_name() -> str:
    """Return the name under which the class sees this worker."""
    if name := os.environ.get("GANNS_WORKER_NAME"):
        return name
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no such user: a container
        user = "worker"
    return f"{user}@{socket.gethostname()}"


def processor() -> str:
    """Return the kind of this machine's processor; "" if the system does not say it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def program_version() -> str:
    """Return the version of the installed program."""
    return importlib.metadata.version("ganns")


def is_older(mine: str, required: str) -> bool:
    """Return True if `mine` has a lower major.minor than `required`; a patch version changes no result."""
    return bool(required) and _major_minor(mine) < _major_minor(required)


def _major_minor(version: str) -> tuple[int, ...]:
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:2])


def note_figures(**found: float) -> None:
    """Take new figures of this machine for `describe`, with three digits: smaller changes are none."""
    _figures.update({name: float(f"{value:.3g}") for name, value in found.items()})


def figures() -> dict[str, float]:
    """Return this machine's `FIGURES`, as far as they are known."""
    return dict(_figures)


def figures_of(info: Any) -> dict[str, float]:
    """Return the `FIGURES` in a worker's description of itself, which may be anything, also no object."""
    found = info if isinstance(info, Mapping) else {}
    return {
        name: float(value)
        for name, most in FIGURES.items()
        if isinstance(value := found.get(name), int | float)
        and not isinstance(value, bool)
        and 0 < value <= most  # NaN is not
    }


def describe() -> dict[str, Any]:
    """Return device, threads, memory_mb, host, system, protocol, the versions that influence results, and `FIGURES`.

    torch's version is in it only if a task's module has loaded torch: other tasks do not need torch.
    """
    info: dict[str, Any] = {
        "device": os.environ.get("GANNS_DEVICE") or "cpu",
        "threads": os.cpu_count(),
        "memory_mb": memory_mb(),
        "host": socket.gethostname(),
        "system": platform.platform(terse=True),
        "processor": processor(),
        "compiled": os.environ.get("GANNS_COMPILE") == "1",
        "python": platform.python_version(),
        "ganns": program_version(),
        "protocol": PROTOCOL,
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
    return info | _figures
