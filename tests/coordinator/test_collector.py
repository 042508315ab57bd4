"""What a worker's report must hold: it came over the wire, as JSON."""

from __future__ import annotations

import json

import pytest

from ganns.coordinator.collector import _has_metrics

GOOD = '{"metrics": {"d_loss": 1, "g_loss": 2.5, "d_real": 0.5, "d_fake": 0.5}, "timings": {"fetch": 0, "load": 0, "compute": 1, "upload": 0}}'  # noqa: E501


def test_a_whole_report_passes():
    assert _has_metrics(json.loads(GOOD))


@pytest.mark.parametrize("value", ["1e400", "null", '"1"', "[1]"])
def test_what_is_no_finite_number_does_not(value):
    assert not _has_metrics(json.loads(GOOD.replace("2.5", value)))
