"""Files as people have them: turned photos, transparent pictures, hidden folders, names from other systems."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.config import ImageFolderData
from ganns.data import open_images
from ganns.data.sources.decode import decode
from ganns.data.sources.files import images_in_folder, images_in_zip, path_text
from ganns.data.sources.source import SOURCES, Source
from ganns.errors import DataError, GannsError

RAMP = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))


def pixels(path: Path) -> np.ndarray:
    return np.asarray(decode(path.read_bytes(), path.name))


def source(path: Path | str, holdout: int = 1) -> Source:
    return SOURCES["image_folder"](ImageFolderData(path=str(path), holdout=holdout))


def picture(number: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of five images."""
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GANNS_DATA", raising=False)
    (tmp_path / "pictures").mkdir()
    for number in range(5):
        picture(number).save(tmp_path / "pictures" / f"{number}.png")
    return tmp_path / "pictures"


def test_16_bits_of_grey_look_like_8(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / "16.png")
    Image.fromarray(RAMP).save(tmp_path / "8.png")
    assert np.array_equal(pixels(tmp_path / "16.png"), pixels(tmp_path / "8.png"))


def test_a_photo_that_lies_on_its_side_is_turned(tmp_path: Path) -> None:
    upright = Image.fromarray(np.repeat(RAMP[:, :16, None], 3, axis=2))  # 32 high, 16 wide
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees clockwise to see it upright
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "phone.png", exif=exif)
    assert np.array_equal(pixels(tmp_path / "phone.png"), np.asarray(upright))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path: Path, mode: str) -> None:
    layer = Image.new("RGBA", (8, 8), (255, 0, 255, 0))  # magenta that is not seen
    layer.paste((0, 0, 0, 255), (0, 0, 4, 8))
    if mode == "P":
        image = Image.new("P", (8, 8), 1)
        image.putpalette([0, 0, 0, 255, 0, 255])
        image.paste(0, (0, 0, 4, 8))
        image.save(tmp_path / "a.png", transparency=1)
    else:
        layer.convert(mode).save(tmp_path / "a.png")
    seen = pixels(tmp_path / "a.png")
    assert seen[:, :4].max() == 0
    assert seen[:, 4:].min() == 255


def test_an_enormous_scan_is_named_and_the_limit_can_be_set(folder, monkeypatch) -> None:
    monkeypatch.setenv("GANNS_MAX_PIXELS", "1000")
    Image.new("RGB", (40, 30)).save(folder / "scan.png")
    (folder / "zz.png").write_bytes(b"")
    said = command("data", "check", folder)
    assert r"scan.png of the image_folder images has 40 x 30 pixels" in said
    assert "GANNS_MAX_PIXELS=1200" in said
    assert "zz.png" in said  # the check went on
    for said in (refused(folder), command("data", "pack", folder, str(folder.parent / "pack"))):
        assert "scan.png of the image_folder images has 40 x 30 pixels" in said
    monkeypatch.setenv("GANNS_MAX_PIXELS", "1200")
    assert "scan.png" not in command("data", "check", folder)
    monkeypatch.setenv("GANNS_MAX_PIXELS", "many")
    assert "GANNS_MAX_PIXELS=many is not a number" in command("data", "check", folder)


def test_20000_by_10000_pixels_are_refused_in_a_sentence() -> None:
    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    with pytest.raises(DataError, match=r"scan has 20,000 x 10,000 pixels, and an image may have 150,000,000"):
        decode(b"\x89PNG\r\n\x1a\n" + body, "scan")


HIDDEN = [".ipynb_checkpoints/0-checkpoint.png", ".thumbnails/a/0.png", ".x.png", "__MACOSX/._1.png"]


def test_hidden_files_are_left_out_and_counted(folder, tmp_path) -> None:
    plain = source(folder).fingerprint
    for name in HIDDEN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(9).save(folder / name)
    for separator in "/", "\\":
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
            for path in folder.rglob("*.png"):
                file.write(path, path.relative_to(folder.parent).as_posix().replace("/", separator))
        for place in folder, tmp_path / "a.zip":
            found = source(place)
            assert (len(found.files.items), found.files.num_hidden) == (5, 4)
            assert found.fingerprint == plain
    assert "4 hidden ones were left out" in command("data", "check", folder)
    for path in folder.glob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"holds no images .*3 hidden ones do not count"):
        source(folder)


def test_a_file_name_that_is_not_utf8(folder, tmp_path, monkeypatch) -> None:
    name = os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png")
    os.rename(folder / "3.png", name)
    assert "5: 4 to train on" in command("data", "info", folder)
    assert "all of them were decoded" in command("data", "check", folder)
    assert "5 images of 32x32" in command("data", "pack", folder, str(tmp_path / "pack"))
    assert open_images(ImageFolderData(path=str(folder), holdout=1), 32).num_train == 4
    Path(name).write_bytes(b"broken")
    assert r"caf\xe9.png of the image_folder images is not an image" in command("data", "check", folder)
    folder.rename(tmp_path / os.fsdecode(b"caf\xe9"))
    monkeypatch.setenv("GANNS_DATA", os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    assert r"caf\xe9" in command("data", "info", "elsewhere")


class RawName(zipfile.ZipInfo):
    """A member whose name stands in the zip as other systems write it: bytes, with no word of their code page."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("cp437"), 0


@pytest.mark.parametrize("separator", ["/", "\\"])
@pytest.mark.parametrize("code_page", ["cp850", "cp866", "cp932", "gbk", "big5", "utf-8"])
def test_a_zip_with_names_in_any_code_page_is_the_folder(folder, tmp_path, code_page, separator) -> None:
    """In cp932, gbk and big5 a backslash may be half of a letter: the second byte of these names' letters is one."""
    letters = {"cp850": "\u00e9\u00e0", "cp866": "\u0436\u044f", "gbk": "\u8868\u4e48", "big5": "\u529f\u8a31"}
    one, other = letters.get(code_page, "\u8868\u30a2")
    names = [f"{one}.png", f"{other}/1.png", f"b/{one}.png", f"{one}{other}.png"]
    hidden = [f".thumbnails/{one}.png", f"{other}/.x.png", f"b{one}/.thumbnails/1.png"]
    for number, name in enumerate(names + hidden):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        picture(20 + number).save(folder / name)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for path in sorted(folder.rglob("*.png"), reverse=True):
            raw = path.relative_to(folder.parent).as_posix().replace("/", separator).encode(code_page)
            file.writestr(RawName(raw.decode("cp437")), path.read_bytes())
    first, second = source(folder), source(tmp_path / "a.zip")
    assert len(first.files.items) == len(second.files.items) == 5 + len(names)
    assert first.files.num_hidden == second.files.num_hidden == len(hidden)
    assert first.fingerprint == second.fingerprint
    assert all(
        np.array_equal(np.asarray(first.open()(number)), np.asarray(second.open()(number)))
        for number in range(len(first.files.items))
    )


def test_broken_files_are_all_named_in_words(folder) -> None:
    whole = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(whole[:60] + b"\0\0\0\0\xff\xff\xff\xff" + whole[60:])
    (folder / "2.png").write_bytes(b"not an image")
    for said in (command("data", "check", folder), refused(folder)):
        assert "2 of 5 images cannot be used" in said
        assert "1.png of the image_folder images is not an image" in said
        assert "2.png of the image_folder images is not an image that can be read (its format is not known)" in said
        assert "BytesIO" not in said


def test_too_few_images_say_how_many_are_needed(folder) -> None:
    for number in range(1, 5):
        (folder / f"{number}.png").unlink()
    with pytest.raises(DataError, match=r"holds 1 image, and .*: at least 2 are needed\. Add images\.$"):
        source(folder, holdout=0)
    with pytest.raises(DataError, match=r"at least 5 are needed\. Add images, or set data\.holdout lower\."):
        source(folder, holdout=3)


def test_a_path_is_shown_with_its_bytes() -> None:
    assert path_text(os.fsdecode(b"caf\xe9")) == r"caf\xe9"
    assert path_text("caf\u00e9") == "caf\u00e9"


def test_a_folder_and_its_zip_have_one_order(folder, tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for path in folder.glob("*.png"):
            file.write(path, path.name)
    assert images_in_zip(tmp_path / "a.zip").labels == images_in_folder(folder).labels == [f"{n}.png" for n in range(5)]


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_images(ImageFolderData(path=str(folder), holdout=1), 32)
    return str(caught.value)


def command(group: str, name: str, folder: Path | str, *arguments: str) -> str:
    """Return what a command prints, and its error, in one line of bytes that a UTF-8 terminal takes."""
    line = [group, name, *arguments, "data=image_folder", f"data.path={folder}", "data.holdout=1", "model=dcgan32"]
    result = CliRunner().invoke(app, line)
    assert result.exception is None or isinstance(result.exception, GannsError), result.exception
    said = f"{result.output} {result.exception or ''}"
    said.encode()
    return " ".join(said.split())
