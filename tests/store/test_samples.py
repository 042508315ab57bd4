"""Sample grids in the database: thinned evenly, stored behind the rounds, and never a reason to stop."""

from __future__ import annotations

import io
import logging
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.errors import DatabaseUnreachable, RunError
from ganns.export.timelapse import frames, grids_of_run
from ganns.observers import samples as uploads
from ganns.observers.samples import SampleUploader
from ganns.pictures.grid import save
from ganns.store.runs import create_run, get_run
from ganns.store.samples import KEEP, get_sample, list_samples, put_sample
from ganns.store.weights import undo_versions
from tests.support.helpers import wait_until


@pytest.fixture
def run_id(conn: Connection) -> int:
    """A run."""
    return create_run(conn, name="r", config={}, fingerprint="f", num_images=40, permutation_digest="d")


def versions(conn: Connection, run_id: int) -> list[int]:
    return [one.version for one in list_samples(conn, run_id)]


def test_grids_come_back_by_version(conn: Connection, run_id: int) -> None:
    put_sample(conn, run_id, 20, b"twenty")
    put_sample(conn, run_id, 0, b"nothing")
    put_sample(conn, run_id, 20, b"again")
    assert [(one.version, one.size_bytes) for one in list_samples(conn, run_id)] == [(0, 7), (20, 5)]
    assert get_sample(conn, run_id, 20) == b"again"
    assert get_sample(conn, run_id, 21) is None


@pytest.mark.parametrize("num", [9, 10, 17, 40, 100])
def test_thinning_keeps_first_last_and_even_gaps(num: int, conn: Connection, run_id: int) -> None:
    keep = 8
    with conn.transaction():
        for version in range(0, 20 * num, 20):
            put_sample(conn, run_id, version, b"x", keep=keep)
            assert len(versions(conn, run_id)) <= keep
    left = versions(conn, run_id)
    assert (len(left), left[0], left[-1]) == (keep, 0, 20 * (num - 1))
    gaps = [b - a for a, b in pairwise(left)]
    assert max(gaps) <= 4 * min(gaps)


def test_runs_are_thinned_one_by_one(conn: Connection, run_id: int) -> None:
    other = create_run(conn, name="o", config={}, fingerprint="f", num_images=40, permutation_digest="d")
    for version in range(4):
        put_sample(conn, run_id, version, b"x", keep=4)
        put_sample(conn, other, version, b"x", keep=2)
    assert versions(conn, run_id) == [0, 1, 2, 3]
    assert versions(conn, other) == [0, 3]
    assert KEEP == 200


def test_what_a_run_goes_back_behind_is_forgotten(conn: Connection, run_id: int) -> None:
    for version in (0, 10, 20, 30):
        put_sample(conn, run_id, version, b"x")
    undo_versions(conn, run_id, 15)
    assert versions(conn, run_id) == [0, 10]


def test_a_run_takes_its_grids_along(conn: Connection, run_id: int) -> None:
    put_sample(conn, run_id, 0, b"x")
    conn.execute("DELETE FROM ganns.runs WHERE id = %s", [run_id])
    assert conn.execute("SELECT count(*) FROM ganns.samples").fetchone() == (0,)


# ------------------------------------------------------------------------------------------------------ uploader


def grid_file(folder: Path, color: tuple[int, int, int] = (200, 30, 60)) -> Path:
    return save(Image.new("RGB", (530, 530), color), folder / "version-000000.png")


def test_the_uploader_stores_small_pictures_before_it_closes(
    database: Address, conn: Connection, run_id: int, tmp_path: Path
) -> None:
    uploader = SampleUploader(database)
    for version in range(3):
        uploader.upload(run_id, version, grid_file(tmp_path))
    uploader.close()
    assert versions(conn, run_id) == [0, 1, 2]
    data = get_sample(conn, run_id, 1)
    assert data is not None
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ("WEBP", (530, 530))
        assert all(abs(a - b) < 6 for a, b in zip(picture.getpixel((9, 9)), (200, 30, 60), strict=True))


def test_a_grid_that_cannot_be_stored_is_tried_again(
    database: Address,
    conn: Connection,
    run_id: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures: list[str] = []
    real = uploads.connect

    def away(*arguments: object, **options: object) -> Connection:
        failures.append("away")
        raise DatabaseUnreachable

    monkeypatch.setattr(uploads, "connect", away)
    uploader = SampleUploader(database)
    with caplog.at_level(logging.WARNING, logger="ganns.utils.background"):
        uploader.upload(run_id, 0, grid_file(tmp_path))
        wait_until(lambda: failures, what="an attempt")
    monkeypatch.setattr(uploads, "connect", real)
    uploader.upload(run_id, 10, grid_file(tmp_path))
    uploader.close()
    assert versions(conn, run_id) == [0, 10]
    assert "on a new connection it is tried again" in caplog.text


def test_pictures_that_are_gone_and_runs_that_are_deleted_hold_nothing_up(
    database: Address, conn: Connection, run_id: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uploader = SampleUploader(database)
    with caplog.at_level(logging.CRITICAL, logger="ganns.observers.samples"):
        uploader.upload(run_id, 0, tmp_path / "deleted.png")
        uploader.upload(run_id + 1000, 0, grid_file(tmp_path))
        uploader.upload(run_id, 10, grid_file(tmp_path))
        uploader.close()
    assert versions(conn, run_id) == [10]


# ----------------------------------------------------------------------------------------------------- timelapse


def test_a_timelapse_of_a_run(database: Address, conn: Connection, run_id: int, tmp_path: Path) -> None:
    uploader = SampleUploader(database)
    for version, color in ((0, (250, 0, 0)), (20, (0, 0, 250))):
        uploader.upload(run_id, version, grid_file(tmp_path / str(version), color))
    uploader.close()
    grids = grids_of_run(conn, get_run(conn, run_id))
    assert [version for version, _ in grids] == [0, 20]
    first, last = (frame.getpixel((frame.width // 2, frame.height // 2)) for frame in frames(grids, gif=False))
    assert first[0] > 200 > 60 > first[2]
    assert last[2] > 200 > 60 > last[0]


def test_a_run_without_samples_is_named(conn: Connection, run_id: int) -> None:
    with pytest.raises(RunError, match=rf"Run {run_id} has no samples in the database: sample_every was 0"):
        grids_of_run(conn, get_run(conn, run_id))
