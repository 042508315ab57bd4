"""What the benchmark of faults says of its figures."""

from __future__ import annotations

import pytest

from benchmarks.faults import beyond


@pytest.mark.parametrize(
    ("back", "found"),
    [
        ({"worker_killed": [4.9, 5.0], "server_away": [9.9, 10.0]}, []),
        ({"worker_killed": [1.0, 5.1, 2.0], "server_away": [3.0]}, ["worker_killed"]),
        (
            {"worker_killed": [2.0], "supervisor_killed": [1.0, 10.1], "half_open": [40.0, 1.0]},
            ["half_open", "supervisor_killed"],
        ),
        ({}, []),
    ],
)
def test_one_time_beyond_what_is_promised_is_enough(back: dict[str, list[float]], found: list[str]) -> None:
    assert beyond(back) == found
