"""CelebA's folder and its zip are the same images; so are any folder and a zip of it; GANNS_DATA says where."""

from __future__ import annotations

import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from ganns.config import CelebAData, ImageFolderData, SyntheticData
from ganns.data import open_images
from ganns.data.sources import celeba, synthetic
from ganns.data.sources.source import SOURCES
from ganns.errors import DataError

FACES = SyntheticData(count=12, holdout=4, seed=7)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder with celeba/, in the format of the real one: 12 training, 4 validation images."""
    home = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANNS_HOME", str(home))
        return synthetic.ensure(FACES)


@pytest.fixture
def unpacked(drawn, monkeypatch, tmp_path):
    from torchvision.datasets import CelebA

    class Generated(CelebA):
        def _check_integrity(self):
            return True  # the real files have published checksums, ours have not

    monkeypatch.setattr(celeba, "dataset_class", lambda: Generated)
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GANNS_DATA", raising=False)
    return drawn


def zip_of(drawn, target, *, prefix="img_align_celeba/", partition=False, but=()):
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        if prefix:
            archive.writestr(prefix, b"")
        # the real zip is in no order that one may rely on
        for path in sorted((drawn / "celeba" / "img_align_celeba").iterdir(), reverse=True):
            if path.name not in but:
                archive.write(path, prefix + path.name)
        archive.writestr("__MACOSX/._000001.jpg", b"resource fork")
        if partition:
            archive.write(drawn / "celeba" / celeba.PARTITION, celeba.PARTITION)
    return target


def source(path=None):
    return SOURCES["celeba"](CelebAData(path=path and str(path)))


def test_the_zip_is_read_in_place_and_is_the_folder(unpacked, tmp_path):
    folder = source(unpacked)
    beside = zip_of(unpacked, tmp_path / "beside" / "img_align_celeba.zip")
    shutil.copy(unpacked / "celeba" / celeba.PARTITION, beside.parent)
    inside = zip_of(unpacked, tmp_path / "inside.zip", prefix="", partition=True)
    for path in (beside, beside.parent, inside):
        found = source(path)
        assert found.fingerprint == folder.fingerprint, path
        assert (found.num_train, len(found.files.items)) == (12, 16)
    images = [open_images(CelebAData(path=str(path)), 32) for path in (unpacked, beside)]
    assert torch.equal(images[0].train(np.arange(12)), images[1].train(np.arange(12)))
    assert sorted(path.name for path in beside.parent.iterdir()) == ["img_align_celeba.zip", celeba.PARTITION]


def test_a_zip_is_found_below_the_home_and_through_ganns_data(unpacked, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"img_align_celeba\.zip"):
        source()
    at_home = zip_of(unpacked, tmp_path / "home" / "data" / "celeba" / "img_align_celeba.zip", partition=True)
    fingerprint = source().fingerprint
    moved = tmp_path / "elsewhere.zip"
    shutil.move(at_home, moved)
    monkeypatch.setenv("GANNS_DATA", str(moved))
    assert source("/the/instructors/path").fingerprint == fingerprint
    monkeypatch.setenv("GANNS_DATA", "http://host/faces")  # of a pack, for other runs
    assert source(moved).fingerprint == fingerprint


def test_without_a_list_the_official_split_goes_by_number(unpacked, tmp_path, monkeypatch):
    path = zip_of(unpacked, tmp_path / "faces.zip")
    assert source(path).num_train == 16
    monkeypatch.setattr(celeba, "LAST_TRAIN", 10)
    monkeypatch.setattr(celeba, "LAST_VALID", 13)
    found = source(path)
    assert (found.num_train, len(found.files.items)) == (10, 13)
    assert [name[-10:] for name in (found.files.items[0], found.files.items[-1])] == ["000001.jpg", "000013.jpg"]


def test_the_official_split_is_the_published_one():
    parts = [celeba._official(number) for number in (1, 162770, 162771, 182637, 182638, 202599)]
    assert parts == [0, 0, 1, 1, 2, 2]


def test_a_zip_that_is_not_whole_or_not_celeba_is_refused(unpacked, tmp_path):
    path = zip_of(unpacked, tmp_path / "a.zip", partition=True, but=("000003.jpg",))
    with pytest.raises(DataError, match=r"not whole: 000003\.jpg"):
        source(path)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("cat.jpg", b"")
    with pytest.raises(DataError, match="named like 000001"):
        source(tmp_path / "b.zip")
    path = zip_of(unpacked, tmp_path / "c" / "c.zip")
    (tmp_path / "c" / celeba.PARTITION).write_text("000001.jpg 0\n000002.jpg train\n")
    with pytest.raises(DataError, match="Line 2"):
        source(path)
    (tmp_path / "d.zip").write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match="not a zip"):
        source(tmp_path / "d.zip")


def test_a_damaged_member_is_named(unpacked, tmp_path):
    path = zip_of(unpacked, tmp_path / "faces.zip", partition=True)
    data = bytearray(path.read_bytes())
    start = data.index(b"img_align_celeba/000005.jpg") + 500
    data[start : start + 50] = bytes(50)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"000005\.jpg cannot be read .*CRC"):
        source(path)


def test_a_listed_image_that_is_missing_is_named(unpacked, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(unpacked, copy)
    (copy / "celeba" / "img_align_celeba" / "000002.jpg").unlink()
    with pytest.raises(DataError, match=r"000002\.jpg is listed and not there"):
        source(copy)


def test_any_folder_and_its_zip_have_one_fingerprint(tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    # "a-b/..." sorts before "a/..." as text and after it as a path; "e" with an accent has two spellings
    for number, name in enumerate(["a/2.png", "a-b/1.png", "a/1.png", "B.png", "caf\u00e9.png", "a.png"]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 20 * number, np.uint8)).save(folder / name)
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*.png"), reverse=True):
            file.write(path, "pictures/" + path.relative_to(folder).as_posix().replace("\u00e9", "e\u0301"))

    def images(path):
        return SOURCES["image_folder"](ImageFolderData(path=str(path), holdout=2))

    first, second = images(folder), images(archive)
    assert [name.split("/", 1)[1] for name in second.files.items] == [
        name.replace("\u00e9", "e\u0301") for name in (str(p)[len(str(folder)) + 1 :] for p in first.files.items)
    ]
    assert first.fingerprint == second.fingerprint
    monkeypatch.setenv("GANNS_DATA", str(archive))
    assert images("/not/here").fingerprint == first.fingerprint
    monkeypatch.setenv("GANNS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"GANNS_DATA=.*nowhere does not exist"):
        images(folder)
