"""Grids and timelines: every image where it belongs, and no half-written files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from ganns.errors import DataError, ExportError
from ganns.pictures.grid import grid, save, save_grid, timeline

WHITE = (255, 255, 255)


def flat_images(*values: float, side: int = 32) -> torch.Tensor:
    """Images of one shade each: [len(values), 3, side, side]."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 3, side, side)


def test_images_lie_row_by_row_with_a_gap() -> None:
    picture = grid(flat_images(-1.0, -0.5, 0.5), columns=2, gap=2, scale=1)
    assert picture.size == (2 * 34 + 2, 2 * 34 + 2)
    shades = {(x, y): picture.getpixel((2 + 34 * x + 16, 2 + 34 * y + 16)) for x in (0, 1) for y in (0, 1)}
    assert shades == {(0, 0): (0, 0, 0), (1, 0): (64, 64, 64), (0, 1): (191, 191, 191), (1, 1): WHITE}
    assert picture.getpixel((0, 16)) == picture.getpixel((35, 16)) == WHITE


def test_channels_are_red_green_blue_and_rows_are_not_columns() -> None:
    image = torch.full((1, 3, 32, 32), -1.0)
    image[0, 0, 2, 5] = 1.0  # red, third row, sixth column
    picture = grid(image, gap=0, scale=1)
    assert picture.getpixel((5, 2)) == (255, 0, 0)
    assert picture.getpixel((2, 5)) == (0, 0, 0)


@pytest.mark.parametrize(("side", "scale", "drawn"), [(32, None, 96), (64, None, 64), (128, None, 128), (32, 2, 64)])
def test_small_images_are_enlarged_by_a_whole_factor(side: int, scale: int | None, drawn: int) -> None:
    assert grid(flat_images(0.0, side=side), gap=0, scale=scale).size == (drawn, drawn)


def test_enlarging_mixes_no_neighbours() -> None:
    picture = grid(flat_images(-1.0, 1.0), gap=0, scale=4)
    assert {picture.getpixel((x, 50)) for x in range(128)} == {(0, 0, 0)}
    assert {picture.getpixel((x, 50)) for x in range(128, 256)} == {WHITE}


def test_values_that_no_image_has_are_drawn_all_the_same() -> None:
    picture = grid(flat_images(-7.0, 7.0, torch.nan, torch.inf, -torch.inf), columns=5, gap=0, scale=1)
    assert [picture.getpixel((32 * n + 9, 9))[0] for n in range(5)] == [0, 255, 128, 255, 0]


def test_images_of_a_training_step_can_be_drawn() -> None:
    """They may need gradients, lie in channels_last, or be bfloat16."""
    images = flat_images(0.5, 0.5).clone().to(memory_format=torch.channels_last).requires_grad_()
    assert grid(images).tobytes() == grid(images.bfloat16()).tobytes()


@pytest.mark.parametrize("shape", [(0, 3, 32, 32), (3, 32, 32), (4, 1, 32, 32)])
def test_what_cannot_be_drawn(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"at least one image, as \[N, 3, H, W\]"):
        grid(torch.zeros(shape))


def test_a_timeline_keeps_the_order_and_labels_each_grid() -> None:
    grids = [Image.new("RGB", (140, 140), (shade, 0, 0)) for shade in (10, 20, 30)]
    strip = timeline([(f"round {n}", picture) for n, picture in enumerate(grids)])
    middle = [strip.getpixel((x, strip.height // 2 + 20))[0] for x in range(strip.width)]
    assert list(dict.fromkeys(middle)) == [255, 10, 20, 30]  # from left to right, white between them
    assert min(strip.crop((0, 0, strip.width, 28)).convert("L").tobytes()) < 100  # ink above the grids


def test_a_timeline_continues_on_the_next_line() -> None:
    entries = [("round 1", Image.new("RGB", (140, 140)))] * 5
    one_line, three_lines = timeline(entries, columns=5), timeline(entries, columns=2)
    assert three_lines.width < one_line.width / 2
    assert three_lines.height > 2.5 * one_line.height


def test_a_long_label_stays_above_its_own_grid() -> None:
    strip = timeline([("round 1000 after 90 seconds", Image.new("RGB", (140, 140), WHITE))] * 2, columns=2)
    between = strip.crop((14 + 140, 0, 14 + 140 + 14, strip.height)).convert("L")
    assert min(between.tobytes()) == 255


def test_a_timeline_of_nothing() -> None:
    with pytest.raises(DataError, match="no samples"):
        timeline([])


def test_a_grid_is_saved_in_a_new_folder_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "samples" / "last.png"
    save_grid(flat_images(-1.0), path)
    assert save_grid(flat_images(1.0, 1.0), path, columns=1, gap=0, scale=1) == path
    with Image.open(path) as picture:
        assert (picture.format, picture.size, picture.getpixel((0, 0))) == ("PNG", (32, 64), WHITE)
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_picture_and_no_debris(tmp_path: Path) -> None:
    path = save_grid(flat_images(0.0), tmp_path / "last.png")
    before = path.read_bytes()
    with pytest.raises(OSError, match="cannot write mode"):
        save(Image.new("HSV", (4, 4)), path)  # PNG has no HSV
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "form"), [("a.png", "PNG"), ("a", "PNG"), ("a.jpg", "JPEG"), ("a.WEBP", "WEBP")])
def test_a_picture_has_the_format_of_its_name(name: str, form: str, tmp_path: Path) -> None:
    with Image.open(save_grid(flat_images(0.0), tmp_path / name)) as found:
        assert found.format == form


def test_what_cannot_be_a_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"a\.txt has an ending that no picture has: call it .*a\.png"):
        save_grid(flat_images(0.0), tmp_path / "a.txt")
    for path in (tmp_path, Path(".")):
        with pytest.raises(IsADirectoryError):
            save_grid(flat_images(0.0), path)
    assert list(tmp_path.iterdir()) == []
