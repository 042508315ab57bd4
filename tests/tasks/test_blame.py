"""Tell whose fault an error is: the worker's, its device's, or perhaps the unit's."""

from __future__ import annotations

import errno
import os
import sys

import psycopg
import pytest
import torch
from PIL import UnidentifiedImageError

from ganns.errors import DataError, DatasetMismatch, DeviceError, DownloadError, WeightsMissing
from tasks.blame import is_of_the_worker, named, pick_device
from tests.support import warm

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("error", "kind", "is_ours"),
    [
        (AssertionError("Torch not compiled with CUDA enabled"), DeviceError, True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), DeviceError, True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"), DeviceError, True),
        (
            NotImplementedError("The operator 'aten::x' is not implemented for the MPS device"),
            DeviceError,
            True,
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError, True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), MemoryError, True),
        (OSError(errno.ENOSPC, "No space left on device"), OSError, True),
        (psycopg.OperationalError("gone"), psycopg.OperationalError, True),
        (DatasetMismatch(), DatasetMismatch, True),
        (WeightsMissing(), WeightsMissing, True),
        (DownloadError(), DownloadError, True),
        (DataError("Image 3 of the pack is damaged"), DataError, False),
        (UnidentifiedImageError("cannot identify image file"), UnidentifiedImageError, False),
        (ValueError("no image can be like this"), ValueError, False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RuntimeError, False),
        (RuntimeError("Expected all tensors on the same device, found cuda:0 and cpu"), RuntimeError, False),
    ],
)
def test_whose_error_it_is(error: Exception, kind: type[Exception], is_ours: bool) -> None:
    found = named(error, CPU)
    assert type(found) is kind
    assert is_of_the_worker(found) is is_ours


def test_any_error_of_a_device_that_cannot_compute_is_the_devices() -> None:
    assert isinstance(named(RuntimeError("strange"), torch.device("cuda:99")), DeviceError)


def test_a_device_is_tried_before_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANNS_DEVICE", "cpu")
    assert pick_device() == CPU
    for name in ("cuda:99", "toaster"):
        monkeypatch.setenv("GANNS_DEVICE", name)
        with pytest.raises(DeviceError, match=f"The device {name} cannot be used here: .*`unset GANNS_DEVICE`"):
            pick_device()


def test_a_worker_whose_device_cannot_compute_does_not_join(database, conn) -> None:
    environment = os.environ | {"GANNS_DATABASE_URL": database.conninfo, "GANNS_DEVICE": "cuda:99"}
    ended = warm.run([sys.executable, "-m", "ganns", "worker", "-n", "2"], env=environment)
    assert ended.returncode == 1
    assert ended.stderr.count("The device cuda:99 cannot be used here: ") == 1
    assert "Traceback" not in ended.stdout + ended.stderr
    assert "starting it again" not in ended.stdout
    assert conn.execute("SELECT count(*) FROM procrastinate.procrastinate_workers").fetchone() == (0,)
