"""Images: drawn, found, fingerprinted, decoded once, refused when they are others."""

from __future__ import annotations

import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ganns.config import CelebAData, ImageFolderData, SyntheticData
from ganns.data import decoded_cache, open_images
from ganns.data.decoded_cache import decoded
from ganns.data.sources import celeba, synthetic
from ganns.data.sources.celeba_layout import ATTRIBUTES
from ganns.data.sources.decode import prepare
from ganns.data.sources.faces import HEIGHT, WIDTH, draw_face
from ganns.data.sources.source import SOURCES
from ganns.errors import DataError, DatasetMismatch

FACES = SyntheticData(count=12, holdout=4, seed=7)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for number in range(6):
        place = folder / ("sub" if number % 2 else ".") / f"{number}.png"
        Image.fromarray(np.full((50, 40, 3), number * 40, np.uint8)).save(place)
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_a_face_depends_on_seed_and_index_alone():
    first, attributes = draw_face(1, 5)
    again, same = draw_face(1, 5)
    assert first.tobytes() == again.tobytes()
    assert attributes == same
    assert first.size == (WIDTH, HEIGHT)
    assert draw_face(1, 6)[0].tobytes() != first.tobytes()
    assert draw_face(2, 5)[0].tobytes() != first.tobytes()
    other = subprocess.run(
        [
            sys.executable,
            "-c",
            "import hashlib, ganns.data.sources.faces as f\n"
            "print(hashlib.sha256(f.draw_face(1, 5)[0].tobytes()).hexdigest())",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    import hashlib

    assert other.stdout.strip() == hashlib.sha256(first.tobytes()).hexdigest()


def test_threads_draw_and_decode_once(home, monkeypatch):
    """The points of a sweep are threads of one process, and ask for their images at the same moment."""
    all_ask, made = threading.Barrier(4), []
    for module, name in ((synthetic, "draw_all"), (decoded_cache, "_build")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, real=real, name=name: made.append(name) or real(*args))

    def ask(number):
        all_ask.wait(60)
        return open_images(FACES, 32).fingerprint

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1
    assert made == ["draw_all"]  # which decodes, too


def test_faces_are_decoded_while_they_are_drawn_to_what_their_files_hold(home, monkeypatch):
    monkeypatch.setattr(synthetic, "CHUNK", 8)
    told = []
    images = open_images(FACES, 32, None, lambda done, num: told.append((done, num)))
    assert told == [(8, 16), (16, 16)]
    from_files = decoded(SOURCES["synthetic"](FACES), 32, home / "another")
    assert np.array_equal(images._pixels, from_files)


def test_decoding_tells_how_far_it_is(pictures, home, monkeypatch):
    monkeypatch.setattr(decoded_cache, "CHUNK", 4)
    told = []
    open_images(ImageFolderData(path=str(pictures), holdout=1), 32, None, lambda done, num: told.append((done, num)))
    assert told == [(4, 6), (6, 6)]


def test_attributes_are_true_to_the_picture():
    assert set(draw_face(0, 0)[1]) <= set(ATTRIBUTES)
    faces = [draw_face(3, index) for index in range(300)]

    def mean(name, box):
        """Mean colour of a region over all faces with, and without, the attribute."""
        groups = {True: [], False: []}
        for image, attributes in faces:
            groups[attributes.get(name, False)].append(np.asarray(image.crop(box), float).mean((0, 1)))
        assert len(groups[True]) >= 8
        return np.mean(groups[True], 0), np.mean(groups[False], 0)

    top = (38, 22, 51, 30)
    black, rest = mean("Black_Hair", top)
    assert black.mean() < rest.mean() - 15
    blond, rest = mean("Blond_Hair", top)
    assert blond[0] > rest[0] + 20
    with_teeth, without = mean("Mouth_Slightly_Open", (40, 72, 49, 78))
    assert np.abs(with_teeth - without).max() > 10


def test_torchvision_reads_our_layout_as_celeba(home):
    from torchvision.datasets import CelebA

    class Generated(CelebA):
        def _check_integrity(self):
            return True  # the real files have published checksums, ours have not

    root = synthetic.ensure(FACES)
    train = Generated(str(root), split="train", target_type=["attr", "bbox", "landmarks", "identity"])
    assert len(train) == 12
    assert train.attr_names[: len(ATTRIBUTES)] == ATTRIBUTES
    image, (attr, bbox, landmarks, identity) = train[3]
    with image:
        assert image.size == (WIDTH, HEIGHT)
    truth = draw_face(7, 3)[1]
    assert [bool(value) for value in attr] == [truth.get(name, False) for name in ATTRIBUTES]
    assert bbox.tolist() == [0, 0, WIDTH, HEIGHT]
    assert len(landmarks) == 10
    assert identity.item() == 4
    assert len(Generated(str(root), split="valid")) == 4


def test_celeba_goes_through_torchvisions_class_and_its_splits(home, monkeypatch):
    root = synthetic.ensure(FACES)
    with pytest.raises(DataError, match=r"data\.path"):
        SOURCES["celeba"](CelebAData(path=str(root)))  # the true class refuses generated files
    from torchvision.datasets import CelebA

    class Generated(CelebA):
        def _check_integrity(self):
            return True

    monkeypatch.setattr(celeba, "dataset_class", lambda: Generated)
    images = open_images(CelebAData(path=str(root)), 32)
    assert (images.num_train, images.num_holdout) == (12, 4)
    drawn = open_images(FACES, 32)
    assert torch.equal(images.train(np.arange(12)), drawn.train(np.arange(12)))
    with pytest.raises(DatasetMismatch, match="CelebA project"):
        images.check(drawn.fingerprint)


def test_batches_are_floats_between_minus_one_and_one_from_the_cache(home):
    images = open_images(FACES, 32)
    batch = images.train(np.array([3, 0, 3]))
    assert batch.shape == (3, 3, 32, 32)
    assert batch.dtype == torch.float32
    assert batch.min() >= -1
    assert batch.max() <= 1
    assert torch.equal(batch[0], batch[2])
    source = SOURCES["synthetic"](FACES)
    direct = torch.from_numpy(prepare(source.open()(3), 32).copy()).float() / 127.5 - 1
    torch.testing.assert_close(batch[0], direct)
    assert isinstance(images._pixels, np.memmap)
    assert images.holdout(4).shape == (4, 3, 32, 32)
    with pytest.raises(DataError, match="12 training images"):
        images.train(np.array([12]))
    with pytest.raises(DataError, match="held-out"):
        images.holdout(5)


def test_the_cache_is_built_once(home, monkeypatch):
    open_images(FACES, 32)
    monkeypatch.setattr("ganns.data.decoded_cache._build", lambda *_: pytest.fail("built again"))
    open_images(FACES, 32)


def test_fingerprints_tell_datasets_apart(home, pictures):
    of_folder = ImageFolderData(path=str(pictures), holdout=2)
    first = SOURCES["image_folder"](of_folder).fingerprint
    assert SOURCES["image_folder"](of_folder).fingerprint == first
    Image.fromarray(np.full((50, 40, 3), 99, np.uint8)).save(pictures / "0.png")
    assert SOURCES["image_folder"](of_folder).fingerprint != first
    drawn = {
        SOURCES["synthetic"](replace(FACES, **change)).fingerprint
        for change in ({}, {"seed": 8}, {"count": 13}, {"holdout": 5})
    }
    assert len(drawn) == 4


def test_the_wrong_images_are_refused_with_the_way_to_the_right_ones(home):
    images = open_images(FACES, 32)
    images.check(images.fingerprint)
    with pytest.raises(DatasetMismatch, match=r"abc.*not the same images.*install the version of ganns"):
        images.check("abc")


def test_a_zip_is_read_in_place_and_equals_its_folder(home, pictures, tmp_path):
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(pictures.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(pictures))
        file.writestr("__MACOSX/._0.png", b"resource fork")
    sets = [open_images(ImageFolderData(path=str(path), holdout=2), 32) for path in (pictures, archive)]
    assert [images.num_train for images in sets] == [4, 4]
    assert torch.equal(sets[0].train(np.arange(4)), sets[1].train(np.arange(4)))


def test_what_cannot_be_read_is_named(home, tmp_path, pictures):
    def opening(**settings):
        return open_images(ImageFolderData(**{"holdout": 2, **settings}), 32)

    with pytest.raises(DataError, match="does not exist"):
        opening(path=str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        opening(path=str(tmp_path / "empty"))
    (tmp_path / "broken.zip").write_bytes(b"PK but not really")
    with pytest.raises(DataError, match="not a zip"):
        opening(path=str(tmp_path / "broken.zip"))
    with pytest.raises(DataError, match="holdout=6"):
        opening(path=str(pictures), holdout=6)
    (pictures / "bad.jpg").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"bad\.jpg"):
        opening(path=str(pictures))
    assert not list((home / "data").glob("*.partial"))


def test_two_processes_at_once_draw_once(home):
    code = (
        "import logging; logging.basicConfig(level='INFO')\n"
        "from ganns.config import SyntheticData; from ganns.data.sources import synthetic\n"
        "synthetic.ensure(SyntheticData(count=200, holdout=10))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        logs = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        for process in processes:  # after a failure
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum("drawing 210 synthetic faces" in text for text in logs) == 1
    assert len(list((home / "data").glob("synthetic-*/celeba/img_align_celeba/*.jpg"))) == 210


def test_an_interrupted_drawing_leaves_no_dataset(home, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(synthetic, "write_lists", interrupted)
        with pytest.raises(KeyboardInterrupt):
            synthetic.ensure(FACES)
    assert not synthetic.folder(FACES).exists()
    assert synthetic.ensure(FACES).exists()


def test_many_images_are_decoded_by_several_processes_to_the_same_pixels(home, monkeypatch):
    source = SOURCES["synthetic"](replace(FACES, count=20))
    one = np.array(decoded(source, 32, home / "one"))
    monkeypatch.setattr("ganns.data.decoded_cache.CHUNK", 10)
    several = decoded(source, 32, home / "several")
    assert np.array_equal(one, several)
