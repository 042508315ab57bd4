"""Check the machine: its device (CPU or GPU), memory, disk, and whether the program may write."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
import warnings
from typing import Any

from ganns import paths
from ganns.errors import ConfigError
from ganns.queue.machine import memory_mb
from ganns.utils.checks import Finding, ok, problem, warning

LEAST_MB = 2048
LEAST_DISK_MB, FULL_MB = 2000, 200
"""Less free disk is worth a warning; with less than the second images cannot be kept, nor a database."""


def check_device(torch: Any = None, wanted: str | None = None, has_driver: bool | None = None) -> Finding:
    """Say on which device a worker computes, and why it does not use an existing GPU."""
    torch = torch or importlib.import_module("torch")
    wanted = os.environ.get("GANNS_DEVICE", "") if wanted is None else wanted
    has_driver = bool(shutil.which("nvidia-smi")) if has_driver is None else has_driver
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cuda = bool(torch.cuda.is_available())
    said = " ".join(" ".join(str(one.message).split()) for one in caught)
    mps = bool(torch.backends.mps.is_available())
    if wanted and not {"cpu": True, "cuda": cuda, "mps": mps}.get(wanted.partition(":")[0], False):
        return problem("device", f"GANNS_DEVICE={wanted} is not usable here. {said}".strip(), "`unset GANNS_DEVICE`")
    if wanted:
        return ok("device", f"{wanted}, as GANNS_DEVICE says")
    if cuda:
        return ok("device", f"cuda: {torch.cuda.get_device_name()}")
    if mps:
        return ok("device", "mps: this Mac's GPU")
    if "driver" in said.lower() and "old" in said.lower():
        todo = "update the driver, or install a PyTorch made for it; until then this machine computes on its processor"
        return warning("device", f"cpu: PyTorch cannot use the GPU: {said[:200]}", todo)
    if has_driver and torch.version.cuda is None:
        todo = "install a PyTorch with CUDA, in an environment of its own"
        return warning("device", "cpu: there is an NVIDIA driver, and this PyTorch computes on processors only", todo)
    if has_driver:
        return warning("device", f"cpu: PyTorch finds no GPU it can use. {said[:200]}".strip(), "look at `nvidia-smi`")
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return warning("device", "cpu: PyTorch cannot use this Mac's GPU", "install a Python made for arm64")
    return ok("device", f"cpu, {os.cpu_count()} processor(s)")


def check_memory(found_mb: int | None = None) -> Finding:
    """Tell whether a worker has enough memory."""
    found_mb = memory_mb() if found_mb is None else found_mb
    if not found_mb:
        return ok("memory", "how much there is cannot be found out here")
    if found_mb < LEAST_MB:
        return warning("memory", f"{found_mb:,} MB", "start one worker, and close other programs that need memory")
    return ok("memory", f"{found_mb / 1024:,.1f} GB")


def check_home() -> Finding:
    """Tell whether we can write the folder of images, states and the embedded database."""
    said = os.environ.get("GANNS_HOME") or "~/.ganns"
    try:
        home = paths.home()
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"x")
    except (OSError, ConfigError) as error:
        cause = error.__cause__ if isinstance(error, ConfigError) else error
        reason = cause.strerror if isinstance(cause, OSError) else "this user has no home"
        todo = "`export GANNS_HOME=...`, a folder that you may write"
        return problem("GANNS_HOME", f"{said} cannot be written: {reason or error}", todo)
    return ok("GANNS_HOME", f"{home} can be written")


def check_disk(free_mb: float | None = None) -> Finding:
    """Tell whether there is room for images."""
    if free_mb is None:
        # The nearest existing folder: another check tests whether we can make the home.
        try:
            home = paths.home_path().absolute()
        except (OSError, ConfigError):  # a working folder that was deleted; a user without a home
            return warning("disk", "not known: GANNS_HOME names no folder", "`export GANNS_HOME=...`, the whole path")
        free_mb = shutil.disk_usage(next(one for one in (home, *home.parents) if one.is_dir())).free / 1e6
    if free_mb < FULL_MB:
        return problem("disk", f"{free_mb:,.0f} MB free", "delete something, or set GANNS_HOME to another disk")
    if free_mb < LEAST_DISK_MB:
        return warning("disk", f"{free_mb:,.0f} MB free", "enough for synthetic images, not for a large data set")
    return ok("disk", f"{free_mb / 1000:,.1f} GB free")
