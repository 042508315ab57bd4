"""Processes of the tests are forks: each start that is not one costs two seconds, and finds other modules."""

from __future__ import annotations

import os
import sys

import pytest

from tests.support import warm

COMMAND = [sys.executable, "-m", "ganns", "--version"]


@pytest.mark.parametrize("name", ["TORCHINDUCTOR_CACHE_DIR", "CUDA_MODULE_LOADING"])
def test_what_torch_sets_in_this_process_makes_no_other_process_slow(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export to ONNX sets the first one, and a look for a GPU the second one."""
    monkeypatch.setattr(warm, "_BEFORE", {k: v for k, v in warm._BEFORE.items() if k != name})
    monkeypatch.setenv(name, "set by torch")
    assert not warm._forkable(COMMAND, os.environ)
    assert warm._forkable(COMMAND, warm._without_torchs(os.environ))
    asked_for = {**os.environ, name: "set by the test"}
    assert not warm._forkable(COMMAND, warm._without_torchs(asked_for)), "that one is a wish of the test"
