"""Choose the device on which this machine computes."""

from __future__ import annotations

import os

import torch

DEVICE_VARIABLE = "GANNS_DEVICE"


def choose_device() -> str:
    """Return $GANNS_DEVICE if set, else "cuda", else Apple's "mps", else "cpu"; whether it can compute is not tried."""
    found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return os.environ.get(DEVICE_VARIABLE) or found
