"""Moving pictures: walks that loop, GIF and MP4 files that a player can read, timelapses of a run's grids."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganns.errors import ExportError, MissingExtra
from ganns.export.timelapse import GIF_FRAMES, frames, grids_of_folder
from ganns.pictures.animation import GIF_SIDE, animate, check_animation
from ganns.pictures.latent_walk import slerp, walk, walk_points, way

COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]


def pictures(size: tuple[int, int] = (62, 41)) -> list[Image.Image]:
    return [Image.new("RGB", size, color) for color in COLORS]


def near(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether two colours are the same but for what a video loses."""
    return all(abs(a - b) < 40 for a, b in zip(found, wanted, strict=True))


# --------------------------------------------------------------------------------------------------------- walks


def test_an_arc_keeps_the_length_where_a_line_would_not() -> None:
    a, b = torch.randn(2, 16, 100, generator=torch.Generator().manual_seed(0))
    middle = slerp(a, b, 0.5)
    between = (a.norm(dim=1) + b.norm(dim=1)) / 2
    assert ((middle.norm(dim=1) / between - 1).abs() < 0.1).all()
    assert (torch.lerp(a, b, 0.5).norm(dim=1) / between < 0.85).all()
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)


def test_where_there_is_no_arc_it_is_a_line() -> None:
    a = torch.randn(1, 8)
    assert torch.isfinite(slerp(a, -a, 0.5)).all()
    torch.testing.assert_close(slerp(a, a, 0.3), a)


def test_a_way_ends_at_exactly_the_two_vectors_and_keeps_the_length_between() -> None:
    a, b = torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
    points = way(a, b, 9)
    assert points.shape == (9, 100)
    assert torch.equal(points[0], a)
    assert torch.equal(points[-1], b)
    shorter, longer = sorted([a.norm(), b.norm()])
    assert ((points.norm(dim=1) > 0.95 * shorter) & (points.norm(dim=1) < 1.05 * longer)).all()
    directions = torch.nn.functional.normalize(points, dim=1)
    angles = (directions[1:] * directions[:-1]).sum(dim=1).acos()
    assert angles.max() < 2 * angles.min()  # even steps; not equal ones, since one end is longer


def test_a_walk_visits_its_points_in_even_steps_and_loops() -> None:
    points = walk_points(5, torch.randn(3, 100), num=4)
    steps = list(walk(points, steps=10))
    assert len(steps) == 40
    for k in range(4):
        torch.testing.assert_close(steps[10 * k], points[k])
    jumps = torch.stack([(a - b).norm(dim=1) for a, b in zip(steps, [*steps[1:], steps[0]], strict=True)])
    assert jumps.max() < 2 * jumps.min()  # the last one too: back to the first


def test_a_seed_decides_the_walk() -> None:
    start = torch.randn(3, 8)
    assert torch.equal(walk_points(5, start), walk_points(5, start))
    assert not torch.equal(walk_points(5, start)[1], walk_points(6, start)[1])
    assert torch.equal(walk_points(5, start)[0], start)


# --------------------------------------------------------------------------------------------------------- files


def test_a_gif_repeats_and_holds_its_last_frame(tmp_path: Path) -> None:
    path = tmp_path / "new" / "walk.gif"
    assert animate(iter(pictures()), path, fps=10, hold_s=1.5) == 4
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.info["loop"], gif.size) == (4, 0, (62, 41))
        delays = []
        for number, color in enumerate(COLORS):
            gif.seek(number)
            delays.append(gif.info["duration"])
            assert near(gif.convert("RGB").getpixel((30, 20)), color)
    assert delays == [100, 100, 100, 1600]
    assert [found.name for found in path.parent.iterdir()] == ["walk.gif"]


def test_a_gif_of_large_frames_is_made_smaller(tmp_path: Path) -> None:
    animate(pictures((1000, 500)), tmp_path / "large.gif", fps=10)
    with Image.open(tmp_path / "large.gif") as gif:
        assert gif.size == (GIF_SIDE, GIF_SIDE // 2)


def test_an_mp4_can_be_read_again(tmp_path: Path) -> None:
    import imageio_ffmpeg

    path = tmp_path / "walk.mp4"
    assert animate(pictures((65, 48)), path, fps=10, hold_s=0.5) == 4
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        str(path),
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    pixels = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    bytes_each = 64 * 48 * 3  # the odd column is cut off: H.264 has none
    assert len(pixels) == (4 + 5) * bytes_each
    parts = [pixels[k * bytes_each : (k + 1) * bytes_each] for k in range(9)]
    found = [Image.frombytes("RGB", (64, 48), part) for part in parts]
    for number, color in enumerate(COLORS):
        assert near(found[number].getpixel((30, 20)), color)
    assert near(found[-1].getpixel((30, 20)), COLORS[-1])
    assert [one.name for one in tmp_path.iterdir()] == ["walk.mp4"]


@pytest.mark.parametrize("name", ["walk.avi", "walk", "walk.png"])
def test_another_ending_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"call it .*walk\.gif or \.mp4"):
        check_animation(tmp_path / name)


@pytest.mark.parametrize("name", ["walk.gif", "walk.mp4"])
def test_no_frames_are_no_animation(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="of no pictures"):
        animate([], tmp_path / name, fps=10)
    assert list(tmp_path.iterdir()) == []


def test_an_mp4_needs_the_extra_before_any_work_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingExtra, match=r"^MP4 .* pip install .*\[video\]'"):
        check_animation(tmp_path / "walk.mp4")
    check_animation(tmp_path / "walk.gif")


def test_when_ffmpeg_fails_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import imageio_ffmpeg

    (tmp_path / "walk.mp4").write_text("old")
    real = imageio_ffmpeg.get_ffmpeg_exe()
    (tmp_path / "ffmpeg").write_text(f'#!/bin/sh\nexec "{real}" -no_such_option "$@"\n')
    (tmp_path / "ffmpeg").chmod(0o700)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(tmp_path / "ffmpeg"))
    with pytest.raises(ExportError, match=r"ffmpeg could not write the MP4 \(code \d+\): \w+"):
        animate((Image.new("RGB", (500, 500)) for _ in range(20)), tmp_path / "walk.mp4", fps=10)
    assert (tmp_path / "walk.mp4").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ffmpeg", "walk.mp4"]


# ----------------------------------------------------------------------------------------------------- timelapse


def grids(folder: Path, versions: range, side: int = 40) -> Path:
    folder.mkdir(parents=True)
    for version in versions:
        Image.new("RGB", (side, side), COLORS[version % 4]).save(folder / f"version-{version:06}.png")
    return folder


def test_a_runs_folder_and_its_samples_are_both_found(tmp_path: Path) -> None:
    folder = grids(tmp_path / "run" / "samples", range(3))
    (folder / "version-x.png").write_text("no grid")
    assert [version for version, _ in grids_of_folder(tmp_path / "run")] == [0, 1, 2]
    assert grids_of_folder(folder) == grids_of_folder(tmp_path / "run")


def test_a_folder_without_grids_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no grids version-<number>\.png in .*: name a run's folder"):
        grids_of_folder(tmp_path)


def test_each_frame_is_a_grid_under_its_version_all_of_one_size(tmp_path: Path) -> None:
    folder = grids(tmp_path / "a", range(3))
    Image.new("RGB", (80, 80), COLORS[3]).save(folder / "version-000003.png")  # as if the run's images had grown
    made = list(frames(grids_of_folder(folder), gif=False))
    assert len({frame.size for frame in made}) == 1
    for color, frame in zip(COLORS, made, strict=True):
        assert frame.getpixel((frame.width // 2, frame.height - 15)) == color


def test_a_gif_has_fewer_frames_the_first_and_the_last_among_them(tmp_path: Path) -> None:
    found = grids_of_folder(grids(tmp_path / "a", range(150)))
    assert len(list(frames(found, gif=False))) == 150
    made = list(frames(found, gif=True))
    assert len(made) == GIF_FRAMES
    middle = (made[0].width // 2, made[0].height - 15)
    assert (made[0].getpixel(middle), made[-1].getpixel(middle)) == (COLORS[0], COLORS[149 % 4])


def test_a_damaged_grid_is_named(tmp_path: Path) -> None:
    folder = grids(tmp_path / "a", range(2))
    (folder / "version-000001.png").write_bytes(b"\x89PNG, cut off")
    with pytest.raises(ExportError, match=r"The grid of version 1 cannot be read .*version-000001\.png"):
        list(frames(grids_of_folder(folder), gif=False))
