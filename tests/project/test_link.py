"""`python -m benchmarks.link` measures a slow link, by namespaces where it can, and by a relay everywhere."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.namespaces import why_not
from tests.support.helpers import ROOT


@pytest.mark.long
@pytest.mark.parametrize("way", ["namespaces", "relay"])
def test_a_quick_measurement(way):
    if way == "namespaces" and (reason := why_not()):
        pytest.skip(reason)
    options = ["--quick", "--rounds", "1", "--ddp-updates", "1", "--up-mbit", "4", *(["--relay"] * (way == "relay"))]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.link", *options], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert ("tbf" in found["shaped_by"]) == (way == "namespaces")
    assert (found["ddp_images_per_s_shaped"] or 0) > 0 or way == "relay"
    assert found["images_per_s_shaped"] > 0
    assert found["efficiency"] > 0
    assert 10 < found["uplink_bytes_per_image"] < 10_000  # home: a tenth of the model's bytes, for 64 images
    assert found["swd"] > 0
