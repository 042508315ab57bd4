"""`ganns solo` with folders of real people's images: it trains, or says in a sentence which file is the trouble."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_places import ganns

SETTINGS = ("experiment=smoke", "data=image_folder", "data.holdout=0", "stop.rounds=1")


@pytest.fixture
def solo(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[int, str]]:
    """Return a function that trains on the folder `faces`, which has five images: fewer than a unit."""
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    for number in range(5):
        _image((40, 40)).save(tmp_path / "faces" / f"{number}.png")
    return lambda: ganns(capfd, monkeypatch, "solo", *SETTINGS, f"data.path={tmp_path / 'faces'}")


def _image(size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.full((*size, 3), 100, np.uint8))


def test_fewer_images_than_a_unit_are_a_smaller_unit(solo: Callable[[], tuple[int, str]], tmp_path: Path) -> None:
    code, said = solo()
    assert code == 0, said
    assert len(list(tmp_path.glob("outputs/train/*/state.safetensors"))) == 1


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_not_utf_8_is_a_name(solo: Callable[[], tuple[int, str]], tmp_path: Path) -> None:
    (tmp_path / "faces" / "0.png").rename(tmp_path / "faces" / os.fsdecode(b"\xff.png"))
    code, said = solo()
    assert code == 0, said
    assert "decoding 5 image_folder images" in said


def test_a_broken_chunk_is_named(solo: Callable[[], tuple[int, str]], tmp_path: Path) -> None:
    broken = tmp_path / "faces" / "3.png"
    data = bytearray(broken.read_bytes())
    data[data.index(b"IDAT") + 6] ^= 0xFF
    broken.write_bytes(data)
    code, said = solo()
    assert (code, str(broken) in said) == (1, True), said


def test_a_scan_over_the_limit_is_named(
    solo: Callable[[], tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANNS_MAX_PIXELS", "2000")
    _image((40, 60)).save(scan := tmp_path / "faces" / "scan.png")
    code, said = solo()
    assert (code, str(scan) in said, "GANNS_MAX_PIXELS" in said) == (1, True, True), said
