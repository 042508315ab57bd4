"""Attributes: read from CelebA's list, kept in packs, and asked for by name."""

from __future__ import annotations

import shutil
import zipfile

import numpy as np
import pytest

from ganns import paths
from ganns.config import CelebAData, ImageFolderData, PackedData, SyntheticData
from ganns.data import open_images
from ganns.data.attributes import LIST, full_name, read_list, read_setting
from ganns.data.packed import format as pack_format
from ganns.data.sources import synthetic
from ganns.data.sources.source import SOURCES
from ganns.errors import ConfigError, DataError
from tests.support.webserver import serving

FACES = SyntheticData(count=12, holdout=4)
NAMES = ("Eyeglasses", "Smiling", "Blond_Hair")


def labels_of(data, names=NAMES, size=32):
    images = open_images(data, size).labelled(names)
    return np.concatenate([images.labels(np.arange(12)), images.holdout_labels(4)])


def test_celeba_s_list_beside_a_zip_and_in_it_gives_the_same_labels(tmp_path):
    folder = synthetic.ensure(FACES) / "celeba"
    for inside in (True, False):
        target = tmp_path / str(inside)
        target.mkdir()
        with zipfile.ZipFile(target / "img_align_celeba.zip", "w") as archive:
            for path in sorted((folder / "img_align_celeba").iterdir()):
                archive.write(path, f"img_align_celeba/{path.name}")
            archive.write(folder / "list_eval_partition.txt", "list_eval_partition.txt")
            if inside:
                archive.write(folder / LIST, LIST)
        if not inside:
            with pytest.raises(DataError, match=r"carry no attributes, which model\.conditional=true needs.*list_attr"):
                labels_of(CelebAData(path=str(target)))
            shutil.copy(folder / LIST, target / LIST)
        assert np.array_equal(labels_of(CelebAData(path=str(target))), labels_of(FACES))


def test_a_pack_carries_them_or_says_that_it_has_none(tmp_path):
    root = paths.home() / "data"
    index = pack_format.write(SOURCES["synthetic"](FACES), 32, tmp_path / "faces", root)
    assert "Smiling" in index.attributes
    packed = PackedData(path=str(tmp_path / "faces"))
    assert np.array_equal(labels_of(packed), labels_of(FACES))
    with pytest.raises(DataError, match=r"names Smileing, which the packed images do not have.*did you mean Smiling\?"):
        labels_of(packed, ("Smileing",))
    plain = tmp_path / "plain"
    plain.mkdir()
    shutil.copytree(synthetic.ensure(FACES) / "celeba" / "img_align_celeba", plain / "pictures")
    found = SOURCES["image_folder"](ImageFolderData(path=str(plain / "pictures"), holdout=4))
    none = pack_format.write(found, 32, tmp_path / "plain-pack", root)
    assert none.attributes == []
    assert b"attributes" not in (tmp_path / "plain-pack" / "index.json").read_bytes()  # older programs read it
    with pytest.raises(DataError, match="The packed images carry no attributes"):
        labels_of(PackedData(path=str(tmp_path / "plain-pack")))


def test_a_pack_on_the_web_gives_the_same_labels_and_fetches_them_once(tmp_path, monkeypatch):
    pack_format.write(SOURCES["synthetic"](FACES), 32, tmp_path / "faces", paths.home() / "data")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as web:
        web.files.update({f"/faces/{path.name}": path.read_bytes() for path in (tmp_path / "faces").iterdir()})
        packed = PackedData(url=f"{web.url}/faces")
        assert np.array_equal(labels_of(packed), labels_of(FACES))
        del web.files["/faces/attributes.bin"]
        assert np.array_equal(labels_of(packed), labels_of(FACES))


def test_damaged_attributes_are_refused(tmp_path):
    pack_format.write(SOURCES["synthetic"](FACES), 32, tmp_path / "faces", paths.home() / "data")
    path = tmp_path / "faces" / pack_format.ATTRIBUTES
    path.write_bytes(b"\1" + path.read_bytes()[1:-1] + b"\1")
    with pytest.raises(DataError, match="is not the file that the index names; copy the pack again"):
        labels_of(PackedData(path=str(tmp_path / "faces")))


@pytest.mark.parametrize(
    "text", ["", "2\n", "1\nA B\n", "1\nA B\n1.jpg 1\n", "1\nA B\n1.jpg 1 2\n", "1\nA B\n2.jpg 1 1"]
)
def test_a_damaged_list_is_refused(text):
    with pytest.raises(DataError, match=r"x has no line of \d attributes for 1\.jpg: get the file again"):
        read_list(text, ["1.jpg"], "x")


def test_names_and_values_as_they_are_typed():
    assert full_name("smile", NAMES) == full_name("smiling", NAMES) == full_name("Smiling", NAMES) == "Smiling"
    assert read_setting("glasses=1, smile=0.5", NAMES) == {"Eyeglasses": 1.0, "Smiling": 0.5}
    with pytest.raises(ConfigError, match=r"hat is no attribute of this model, which has blond, glasses, smile"):
        full_name("hat", NAMES)
    for wrong in ("smile", "smile=2", "smile=a", "", "smile=nan"):
        with pytest.raises(ConfigError, match="give an attribute and a number from 0 to 1"):
            read_setting(wrong, NAMES)
