"""`ganns data get | info | check | pack`, and a hub repository, against a server on loopback."""

from __future__ import annotations

import hashlib
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.config import CelebAData, PackedData
from ganns.data import open_images
from ganns.data.http import hub
from ganns.errors import ConfigError, DataError, DownloadError, MissingExtra
from tests.support.webserver import serving

HUB_FILE = "/datasets/ada/faces/resolve/{}/img_align_celeba.zip"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("GANNS_DATA", raising=False)
    return tmp_path / "home"


@pytest.fixture
def web(home):
    with serving() as server:
        yield server


@pytest.fixture
def hub_server(web, monkeypatch):
    """A server that HF_ENDPOINT names; the one that huggingface_hub knows of its own is out of reach."""
    from huggingface_hub import constants

    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", nowhere + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setenv("HF_ENDPOINT", f"{web.url}/")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return web


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A small img_align_celeba.zip: 5 training images by the list in it, 3 held out."""
    path = tmp_path_factory.mktemp("faces") / "img_align_celeba.zip"
    random = np.random.RandomState(1)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1, 9):
            with archive.open(f"img_align_celeba/{number:06}.jpg", "w") as file:
                Image.fromarray(random.randint(0, 256, (218, 178, 3)).astype(np.uint8)).save(file, "JPEG")
        archive.writestr("list_eval_partition.txt", "".join(f"{k:06}.jpg {int(k > 5)}\n" for k in range(1, 9)))
    return path


def ganns(*words):
    result = CliRunner().invoke(app, ["data", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_get_fetches_an_address_into_the_home_and_train_finds_it(web, home, faces):
    web.files["/img_align_celeba.zip"] = faces.read_bytes()
    web.fault("/img_align_celeba.zip", "cut", 5000)
    digest = hashlib.sha256(faces.read_bytes()).hexdigest()
    said = ganns("get", f"{web.url}/img_align_celeba.zip?download=1", "--sha256", digest)
    assert web.fired["cut"] == 1
    target = home / "data" / "img_align_celeba.zip"
    assert f"data=celeba data.path={target}" in said.replace("\n", "")
    assert open_images(CelebAData(), 32).num_train == 5
    assert "was there already and is kept" in ganns("get", f"{web.url}/img_align_celeba.zip").replace("\n", " ")


def test_get_from_a_hub_repository_is_pinned_checked_and_resumed(hub_server, home, faces):
    web, content = hub_server, faces.read_bytes()
    commit = "c" * 40
    for path in (HUB_FILE.format("main"), HUB_FILE.format(commit), "/cdn/faces"):
        web.files[path] = content
    web.extra[HUB_FILE.format("main")] = {
        "X-Repo-Commit": commit,
        "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
        "X-Linked-Size": str(len(content)),
    }
    for _ in range(2):
        web.fault(HUB_FILE.format(commit), "redirect", "/cdn/faces")
    web.fault("/cdn/faces", "cut", 3000)
    ganns("get", "celeba", "--hub", "ada/faces")
    assert web.fired == {"redirect": 2, "cut": 1}
    assert web.ranges_of("/cdn/faces") == [None, "bytes=3000-"]
    assert (home / "data" / "celeba" / "img_align_celeba.zip").read_bytes() == content
    seen = [headers.get("authorization") for _, path, headers in web.requests if path == HUB_FILE.format("main")]
    assert seen == ["Bearer hf_secret"]
    assert "images       8: 5 to train on, 3 held out" in ganns("info", "data=celeba")


def test_a_hub_file_of_another_size_or_checksum_is_refused(hub_server, home):
    web, path = hub_server, HUB_FILE.format("main")
    web.files[path] = b"not the faces"
    web.extra[path] = {"X-Linked-Size": "99"}
    with pytest.raises(DownloadError, match="13 bytes, and 99 are expected"):
        ganns("get", "celeba", "--hub", "ada/faces")
    web.extra[path] = {"X-Linked-Etag": "0" * 64}
    with pytest.raises(DownloadError, match="SHA-256"):
        ganns("get", "celeba", "--hub", "ada/faces")
    with pytest.raises(DownloadError, match=r"list\.txt of the data set ada/faces cannot be found .*--hub"):
        ganns("get", "celeba", "--hub", "ada/faces", "--file", "list.txt")
    with pytest.raises(DownloadError, match="--hub OWNER/NAME"):
        ganns("get", "celeba", "--hub", "not a name")
    assert not list(home.rglob("*.zip"))


def test_without_huggingface_hub_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"pip install .*\[hub\]'"):
        hub.locate("ada/faces", "x.zip")


def test_get_says_what_it_can_fetch(home):
    for words, says in [
        (["get", "celeba"], "--hub OWNER/NAME"),
        (["get", "mnist"], "type `celeba`"),
        (["get", "http://h/x", "--sha256", "12"], "64 hexadecimal"),
    ]:
        with pytest.raises(ConfigError, match=says):
            ganns(*words)


def test_info_and_check_of_a_zip(home, faces, tmp_path):
    settings = ["data=celeba", f"data.path={faces}", "model=dcgan32"]
    lines = dict(line.split(None, 1) for line in ganns("info", *settings).splitlines())
    assert lines["source"] == "celeba"
    assert lines["where"] == f"{faces} (read in place)"
    assert lines["decoded"] == "at 32x32 not yet"
    said = ganns("check", *settings)
    assert "8 images are there" in said
    assert "the checksums in the zip are right" in said
    assert "not the archive that CelebA's authors published" in said
    assert f"fingerprint {lines['fingerprint']}" in said
    images = open_images(CelebAData(path=str(faces)), 32)
    assert ", and equal the decoded copy" in ganns("check", *settings)
    [cached] = (home / "data").glob("decoded-*.npy")
    pixels = np.array(images._pixels)
    pixels[3] ^= 1
    np.save(cached, pixels)
    with pytest.raises(DataError, match=r"differs from .*000004\.jpg"):
        ganns("check", *settings)
    broken = bytearray(faces.read_bytes())
    broken[broken.index(b"img_align_celeba/000002.jpg") + 2000] ^= 255
    (tmp_path / "broken.zip").write_bytes(broken)
    with pytest.raises(DataError, match=r"000002\.jpg cannot be read .*CRC"):
        ganns("check", "data=celeba", f"data.path={tmp_path / 'broken.zip'}")


def test_info_and_check_of_a_folder_and_of_drawn_faces(home, tmp_path):
    for number in range(4):
        Image.fromarray(np.full((9, 9, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    settings = ["data=image_folder", f"data.path={tmp_path}", "data.holdout=1"]
    assert "4: 3 to train on, 1 held out" in ganns("info", *settings)
    assert "4 images are there" in ganns("check", *settings)
    (tmp_path / "2.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"2\.png of the image_folder images .* \(it is empty\)"):
        ganns("check", *settings)
    assert "drawn on first use" in ganns("info")
    assert "not drawn yet" in ganns("check")
    assert not (home / "data").exists()


def test_a_pack_is_made_served_and_checked(web, home, faces, tmp_path):
    folder = tmp_path / "pack"
    said = ganns("pack", folder, "data=celeba", f"data.path={faces}", "model=dcgan32")
    assert "8 images of 32x32" in said
    assert "the images carry no attributes, so model.conditional=true cannot learn from them" in said
    for path in folder.iterdir():
        web.files[f"/{path.name}"] = path.read_bytes()
    (home / "data").rename(home / "moved")  # what this machine has decoded; another one has nothing
    settings = ["data=packed", f"data.url={web.url}", "model=dcgan32"]
    assert "fetched      0 images" in ganns("info", *settings)
    said = ganns("check", *settings)
    assert f"{web.url} has all 1 shards" in said
    assert "fetched      8 images, 0.0 MB" in ganns("info", *settings)
    fingerprint = open_images(PackedData(url=web.url), 32).fingerprint
    assert f"fingerprint {fingerprint}" in said
    web.files["/shard-00000.bin"] += b"x"
    with pytest.raises(DownloadError, match=r"has 24577 bytes, and not 24,576"):
        ganns("check", *settings)
    with pytest.raises(ConfigError, match="packed already"):
        ganns("pack", tmp_path / "again", *settings)
    here = ["data=packed", f"data.path={folder}", "model=dcgan32"]
    assert "all 1 shards" in ganns("check", *here)
    with (folder / "shard-00000.bin").open("r+b") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="another SHA-256"):
        ganns("check", *here)
