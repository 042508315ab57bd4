"""Packed data: written, read from a folder, and fetched image by image from a server that misbehaves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from ganns.config import ImageFolderData, PackedData
from ganns.data import open_images
from ganns.data.http.client import Timeouts
from ganns.data.packed import format as pack_format
from ganns.data.packed.reader import Pack, PackedPixels
from ganns.data.packed.remote import ShardSlice, cut
from ganns.data.sources.source import SOURCES
from ganns.errors import DataError, DatasetMismatch, DownloadError
from tests.support.webserver import serving

NUM, HOLDOUT, SIZE = 40, 8, 32
ROW = 3 * SIZE * SIZE
QUICK = Timeouts(connect_s=5, silence_s=5, attempts=3, pause_s=0.001)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(the pictures, the pack made of them: shards of 16 images, their pixels, float images of them)."""
    base = tmp_path_factory.mktemp("made")
    (base / "pictures").mkdir()
    random = np.random.RandomState(0)
    for number in range(NUM):
        pixels = random.randint(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(base / "pictures" / f"{number:03}.png")
    data = ImageFolderData(path=str(base / "pictures"), holdout=HOLDOUT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANNS_HOME", str(base / "home"))
        patch.delenv("GANNS_DATA", raising=False)
        patch.setattr(pack_format, "SHARD_IMAGES", 16)
        source = SOURCES["image_folder"](data)
        pack_format.write(source, SIZE, base / "pack", base / "home" / "data")
        images = open_images(data, SIZE)
        pixels = np.array(images._pixels)
    return base / "pictures", base / "pack", pixels, images


@pytest.fixture
def web(made, monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GANNS_DATA", raising=False)
    with serving() as server:
        for path in made[1].iterdir():
            server.files[f"/faces/{path.name}"] = path.read_bytes()
        yield server


def opened(web, root, timeouts=QUICK, **settings):
    settings = {"url": f"{web.url}/faces", **settings}
    return PackedPixels(Pack(PackedData(**settings), root, timeouts))


def shard_bytes(web):
    return sum(count for path, count in web.num_bytes.items() if "/shard-" in path)


def test_a_pack_is_its_files_and_nothing_else(made):
    _, folder, pixels, _ = made
    assert sorted(path.name for path in folder.iterdir()) == [
        "digests.bin",
        "index.json",
        *(f"shard-0000{k}.bin" for k in range(3)),
    ]
    flat = np.concatenate([np.fromfile(folder / f"shard-0000{k}.bin", np.uint8) for k in range(3)])
    assert np.array_equal(flat.reshape(pixels.shape), pixels)
    with pytest.raises(DataError, match="exists"):
        pack_format.write(SOURCES["image_folder"](ImageFolderData(path=str(made[0]), holdout=8)), SIZE, folder, folder)


def test_a_worker_fetches_only_what_it_needs_and_never_twice(web, made, tmp_path):
    pixels = opened(web, tmp_path)
    assert len(pixels) == NUM
    assert shard_bytes(web) == 0
    wanted = np.array([30, 3, 3, 17, 39])
    for _ in range(2):
        assert np.array_equal(pixels[wanted], made[2][wanted])
        assert shard_bytes(web) == 4 * ROW
    again = opened(web, tmp_path)  # another process of this machine
    assert np.array_equal(again[np.array([3, 4])], made[2][3:5])
    assert shard_bytes(web) == 5 * ROW
    assert len(web.ranges_of("/faces/digests.bin")) == 1
    assert np.array_equal(again[0:NUM], made[2])
    assert shard_bytes(web) == NUM * ROW
    assert again.pack.places[-1].cache.num_there() == NUM


def test_neighbours_are_fetched_in_one_request():
    assert list(cut(np.array([1, 2, 4, 15, 16, 17, 30]), 16)) == [
        ShardSlice(0, 1, 3),
        ShardSlice(0, 4, 5),
        ShardSlice(0, 15, 16),
        ShardSlice(1, 16, 18),
        ShardSlice(1, 30, 31),
    ]
    assert list(cut(np.array([], np.int64), 16)) == []
    assert list(cut(np.arange(300), 4096)) == [ShardSlice(0, 0, 256), ShardSlice(0, 256, 300)]


def test_the_training_sees_the_same_images_wherever_they_come_from(web, made, tmp_path, monkeypatch):
    pictures, folder, _, images = made
    packed = PackedData(url=f"{web.url}/faces")
    fingerprint = pack_format.fingerprint((folder / "index.json").read_bytes())
    from_web = open_images(packed, SIZE)
    assert (from_web.num_train, from_web.num_holdout, from_web.fingerprint) == (NUM - HOLDOUT, HOLDOUT, fingerprint)
    indices = np.array([31, 0, 7])
    assert torch.equal(from_web.train(indices), images.train(indices))
    assert torch.equal(from_web.holdout(HOLDOUT), images.holdout(HOLDOUT))
    with pytest.raises(DatasetMismatch, match="another"):
        from_web.check("other")
    before = shard_bytes(web)
    # the pack's folder, and the pictures themselves: nothing is fetched but the index and the digests
    for here in (folder, pictures):
        for way in ("GANNS_DATA", "data.path"):
            root = tmp_path / f"{here.name}-{way}"
            with monkeypatch.context() as patch:
                if way == "GANNS_DATA":
                    patch.setenv("GANNS_DATA", str(here))
                data = PackedData(url=f"{web.url}/faces", path=None if way == "GANNS_DATA" else str(here))
                found = open_images(data, SIZE, root)
                assert found.fingerprint == fingerprint
                assert torch.equal(found.train(indices), images.train(indices))
    assert shard_bytes(web) == before


def test_ganns_data_may_be_a_nearer_server(web, made, tmp_path, monkeypatch):
    monkeypatch.setenv("GANNS_DATA", f"{web.url}/faces/")
    pixels = opened(web, tmp_path, url="http://127.0.0.1:9/unreachable")
    assert np.array_equal(pixels[np.array([5])], made[2][5:6])


def test_pictures_that_are_others_are_not_used(web, made, tmp_path, monkeypatch, caplog):
    other = tmp_path / "other"
    shutil.copytree(made[0], other)
    Image.fromarray(np.zeros((SIZE, SIZE, 3), np.uint8)).save(other / "000.png")
    monkeypatch.setenv("GANNS_DATA", str(other))
    assert np.array_equal(opened(web, tmp_path)[np.array([0])], made[2][0:1])
    assert "another fingerprint" in caplog.text
    assert shard_bytes(web) == ROW


def test_pixels_decoded_otherwise_are_fetched(web, made, tmp_path, monkeypatch):
    """JPEG decoders of different versions may round differently; the index vouches for one of them."""
    monkeypatch.setenv("GANNS_DATA", str(made[0]))
    opened(web, tmp_path)
    [cached] = tmp_path.glob("decoded-*.npy")
    array = np.load(cached)
    array[7] ^= 1
    np.save(cached, array)
    assert np.array_equal(opened(web, tmp_path)[np.array([6, 7, 8])], made[2][6:9])
    assert shard_bytes(web) == ROW


def test_two_workers_at_once_fetch_each_image_once(web, made, tmp_path):
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from ganns.config import PackedData\n"
        "from ganns.data.packed.reader import Pack\n"
        "found = Pack(PackedData(url=sys.argv[1]), Path(sys.argv[2]))\n"
        "for number in range(0, 40, 2): found.read(np.array([number]))\n"
    )
    command = [sys.executable, "-c", code, f"{web.url}/faces", str(tmp_path)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: subprocess.run(command, check=True, timeout=120), range(2)))
    assert shard_bytes(web) == 20 * ROW


def test_a_server_without_ranges_sends_each_shard_once(web, made, tmp_path):
    web.ranges = False
    pixels = opened(web, tmp_path)
    assert np.array_equal(pixels[np.array([0, 5, 33])], made[2][[0, 5, 33]])
    assert shard_bytes(web) == 16 * ROW + 8 * ROW
    assert np.array_equal(pixels[0:16], made[2][0:16])
    assert shard_bytes(web) == 16 * ROW + 8 * ROW


@pytest.mark.parametrize(
    "fault",
    [("cut", 1000), ("status", 500), ("garble", 70), ("declare", ROW + 5), ("redirect", "/moved.bin"), ("stall", 9)],
    ids=lambda fault: fault[0],
)
def test_faults_that_pass_are_waited_out(web, made, tmp_path, fault):
    web.files["/moved.bin"] = web.files["/faces/shard-00001.bin"]
    pixels = opened(web, tmp_path, Timeouts(5, 0.3, 3, 0.001))
    web.fault("/faces/shard-00001.bin", *fault)
    assert np.array_equal(pixels[np.array([20, 29])], made[2][[20, 29]])
    assert web.fired[fault[0]] == 1


def test_a_server_that_stays_silent_is_given_up(web, tmp_path):
    pixels = opened(web, tmp_path, Timeouts(5, 0.1, 2, 0.001))
    for _ in range(2):
        web.fault("/faces/shard-00000.bin", "stall", 5)
    with pytest.raises(DownloadError, match="silent"):
        pixels[np.array([1])]
    assert web.fired["stall"] == 2


def test_a_pack_that_changes_under_way_is_refused(web, made, tmp_path):
    pixels = opened(web, tmp_path)
    pixels[np.array([1])]
    web.files["/faces/shard-00000.bin"] = bytes(16 * ROW)
    with pytest.raises(DownloadError, match="the pack was changed, or damaged"):
        pixels[np.array([9])]
    assert np.array_equal(pixels[np.array([1])], made[2][1:2])  # what came before is still good
    web.files.pop("/faces/shard-00000.bin")
    with pytest.raises(DownloadError, match=r"shard-00000\.bin does not exist"):
        pixels[np.array([9])]


def test_rows_that_a_crash_lost_are_fetched_again(web, made, tmp_path):
    pixels = opened(web, tmp_path)
    pixels[0:4]
    [rows] = tmp_path.glob("packed-*/rows.bin")
    with rows.open("r+b") as file:
        file.seek(2 * ROW)
        file.write(bytes(ROW))
    assert np.array_equal(pixels[0:4], made[2][0:4])
    assert shard_bytes(web) == 5 * ROW


def test_digests_of_another_pack_are_refused(web, tmp_path):
    web.files["/faces/digests.bin"] = bytes(NUM * 16)
    with pytest.raises(DownloadError, match="SHA-256"):
        opened(web, tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<html>", "no index"),
        (b'{"format": "other"}', "no index"),
        ("num_train", "no index that this version"),
        (b"[" * 100000, "no index"),
    ],
)
def test_what_is_no_index_is_refused(web, made, tmp_path, content, says):
    if isinstance(content, str):
        values = json.loads((made[1] / "index.json").read_bytes())
        content = json.dumps({**values, content: NUM + 1}).encode()
    web.files["/faces/index.json"] = content
    with pytest.raises(DataError, match=says):
        opened(web, tmp_path)


def test_a_damaged_folder_is_refused_or_mended_from_the_web(web, made, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(made[1], folder)
    with (folder / "shard-00001.bin").open("r+b") as file:
        file.write(b"damaged")
    alone = opened(web, tmp_path, url=None, path=str(folder))
    assert np.array_equal(alone[np.array([3])], made[2][3:4])
    with pytest.raises(DataError, match=r"Image 16 of the pack .* is damaged"):
        alone[np.array([16])]
    assert np.array_equal(opened(web, tmp_path, path=str(folder))[0:NUM], made[2])
    assert shard_bytes(web) == ROW
    (folder / "shard-00002.bin").unlink()
    with pytest.raises(DataError, match=r"shard-00002\.bin is missing"):
        opened(web, tmp_path, path=str(folder))


def test_what_does_not_fit_is_said(web, made, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"images of 32 pixels.*choose model=dcgan32"):
        open_images(PackedData(url=f"{web.url}/faces"), 64)
    with pytest.raises(DataError, match=r"data\.url is not set"):
        opened(web, tmp_path, url=None, path=str(tmp_path))
    with pytest.raises(DownloadError, match=r"index\.json does not exist"):
        opened(web, tmp_path, url=f"{web.url}/nothing")
    with pytest.raises(DownloadError, match="not an address"):
        opened(web, tmp_path, url="ganns.example/faces")


def test_a_full_disk_is_an_error_that_a_worker_survives(web, tmp_path, monkeypatch):
    pixels = opened(web, tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ganns.data.packed.local.SparseRows.write", full)
    with pytest.raises(DownloadError, match="cannot be kept"):
        pixels[np.array([1])]
