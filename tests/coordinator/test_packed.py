"""Two machines that have no images train from one that serves them: each fetches its own share, and nothing else."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import numpy as np
import pytest

from ganns.config import PackedData, QuorumConfig, StopConfig, SyntheticData
from ganns.data.packed import format as pack_format
from ganns.data.sources.source import SOURCES
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import spawn_worker
from tests.support.webserver import serving

ROW = 3 * 32 * 32


@pytest.mark.slow
def test_a_class_fetches_each_image_once_an_epoch(coordinate, database, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "coordinator"))
    drawn = SyntheticData(count=40, holdout=8)
    pack_format.write(SOURCES["synthetic"](drawn), 32, tmp_path / "pack", tmp_path / "elsewhere")
    with serving() as web, ExitStack() as stack:
        web.files = {f"/{path.name}": path.read_bytes() for path in (tmp_path / "pack").iterdir()}
        config = tiny(data=PackedData(url=web.url), quorum=QuorumConfig(units=2), stop=StopConfig(epochs=1))
        for number in range(2):
            home = tmp_path / f"home-{number}"
            command = ["env", f"GANNS_HOME={home}", sys.executable, "-m", "procrastinate", "--app=tasks.app", "worker"]
            process = spawn_worker(database, tmp_path / f"{number}.log", f"w{number}", command)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        coordinator = coordinate(config).join(120)
        assert coordinator.reports[-1].images == 40
        fetched = web.num_bytes["/shard-00000.bin"]
        there = [np.fromfile(path, np.uint8) for path in tmp_path.glob("home-*/data/packed-*/have.bin")]
        assert sum(map(np.count_nonzero, there)) * ROW == fetched == 40 * ROW
        assert not any(one[40:].any() for one in there)  # the held-out ones were not needed
        assert coordinator.digest == solo_digest(tiny(data=drawn, stop=StopConfig(epochs=1)))
