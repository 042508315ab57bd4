"""What a worker says of itself, and which program is too old."""

from __future__ import annotations

import pytest

from ganns.queue import machine


@pytest.mark.parametrize(
    ("mine", "required", "older"),
    [
        ("0.1.0", "", False),
        ("0.1.0", "0.1", False),
        ("0.1.9", "0.1", False),
        ("0.1.0", "0.2", True),
        ("0.9.0", "0.10", True),
        ("1.0.0rc1", "0.10", False),
        ("0.2.dev3", "0.2", False),
        ("0.1.0", "1.0", True),
    ],
)
def test_major_and_minor_decide(mine, required, older):
    assert machine.is_older(mine, required) is older


def test_hardware_and_versions():
    info = machine.describe()
    assert {"device", "threads", "memory_mb", "host", "system", "python", "ganns", "procrastinate"} <= set(info)
    assert info["memory_mb"] > 0  # it was 0 on Windows


def test_the_device_can_be_chosen(monkeypatch):
    monkeypatch.setenv("GANNS_DEVICE", "cuda:1")
    assert machine.describe()["device"] == "cuda:1"
