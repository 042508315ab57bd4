"""The best version: by FID, else by the sliced Wasserstein distance, and never a comparison of the two."""

from __future__ import annotations

import pytest

from ganns.evaluation.ranking import best, distance, is_better, measure

EARLY, LATE = {"fid": 10.6, "swd": 66.6}, {"fid": 5.98, "swd": 111.0}  # of one run that people looked at


def test_fid_comes_first() -> None:
    assert is_better(LATE, EARLY)
    assert not is_better(EARLY, LATE)
    assert not is_better(EARLY, EARLY)
    assert best([{"version": 65, "metrics": EARLY}, {"version": 189, "metrics": LATE}]) == {
        "version": 189,
        "metrics": LATE,
    }
    assert distance(LATE) == 5.98


@pytest.mark.parametrize("missing", [{"swd": 90.0}, {"swd": 90.0, "fid": None}])
def test_without_fid_the_sliced_wasserstein_distance_judges(missing: dict[str, float]) -> None:
    assert measure([EARLY, LATE]) == "fid"
    assert measure([EARLY, missing]) == "swd"
    assert is_better(EARLY, missing)
    assert is_better(missing, LATE)
    found = best([{"version": 1, "metrics": LATE}, {"version": 2, "metrics": missing}])
    assert found is not None
    assert found["version"] == 2
    assert distance(missing) == 90.0


def test_of_equal_versions_the_first_is_the_best() -> None:
    found = best([{"version": one, "metrics": EARLY} for one in (3, 6)])
    assert found is not None
    assert found["version"] == 3


def test_without_any_distance_there_is_no_best() -> None:
    assert measure([]) is None
    assert measure([{}]) is None
    assert best([]) is None
    assert best([{"version": 1, "metrics": {"kid": 1.0}}]) is None
    assert distance({}) is None
    assert not is_better({}, EARLY)
