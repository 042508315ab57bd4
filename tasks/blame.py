"""Tell whose fault an error is: the worker's, the device's, or perhaps the unit's.

An error of the worker (no images, a full disk, a lost connection) or of its device never counts against a unit: another
worker may compute it. Every other error may be the unit's: it is recorded, and when three different workers have failed
the coordinator sets the unit aside.
"""

from __future__ import annotations

import os
import re

import psycopg
import torch

from ganns.errors import DatabaseError, DeviceError, DownloadError, RunError, WorkError
from ganns.training.device import DEVICE_VARIABLE, choose_device

_OF_THE_WORKER = (DatabaseError, DownloadError, RunError, WorkError, psycopg.Error, MemoryError)
_OF_A_DEVICE = re.compile(r"\b(CUDA|cuDNN|CUDNN|cuBLAS|CUBLAS|HIP|MPS)(_\w+)?\b")
_NO_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory")


def pick_device() -> torch.device:
    """Return the device that this machine computes on (`choose_device`), after a small computation on it.

    Raises:
        DeviceError: if it cannot compute.
    """
    device = choose_device()
    if (why := why_unusable(device)) is not None:
        is_wanted = os.environ.get(DEVICE_VARIABLE)
        todo = f"type `unset {DEVICE_VARIABLE}`" if is_wanted else f"type `export {DEVICE_VARIABLE}=cpu`"
        raise DeviceError(
            f"The device {device} cannot be used here: {why} To compute on another device, {todo}, and start "
            "the worker again; `ganns doctor` says more."
        )
    return torch.device(device)


def why_unusable(name: str) -> str | None:
    """Return the reason why a device cannot compute, as a sentence; None if it can."""
    try:
        ones = torch.ones(2, device=torch.device(name))
        return None if float((ones + ones).sum()) == 4.0 else "It adds wrongly."
    except Exception as error:  # torch has no common class: RuntimeError, AssertionError, NotImplementedError
        return f"{_brief(error).rstrip('.')}."


def named(error: Exception, device: torch.device) -> Exception:
    """Return the error, or in its place a MemoryError or DeviceError if memory or the device caused it."""
    if isinstance(error, RuntimeError | AssertionError | NotImplementedError):
        text = str(error)
        if isinstance(error, torch.OutOfMemoryError) or _NO_MEMORY.search(text):
            return MemoryError(f"{device} has too little memory: {_brief(error)}")
        if _OF_A_DEVICE.search(text) or (device.type != "cpu" and why_unusable(str(device)) is not None):
            return DeviceError(f"The device {device} failed: {_brief(error)}")
    return error


def _brief(error: Exception) -> str:
    """Return the first line of an error's text, at most 300 characters."""
    return " ".join(str(error).strip().partition("\n")[0].split())[:300] or type(error).__name__


def is_of_the_worker(error: Exception) -> bool:
    """Return True if an error, after `named`, is certainly not the unit's.

    The system's errors (a full disk) have a number. Pillow's OSError about a broken image has none.
    """
    return isinstance(error, _OF_THE_WORKER) or (isinstance(error, OSError) and error.errno is not None)
