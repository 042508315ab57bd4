"""Moving pictures: GIF with Pillow, MP4 with the ffmpeg that imageio-ffmpeg brings along (extra `video`)."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from ganns.errors import ExportError
from ganns.utils.atomic import replacing
from ganns.utils.installation import extra

GIF_SIDE = 480
"""A GIF's frames are made smaller than this: it stores each pixel of each frame, with little compression."""


def check_animation(path: Path) -> Path:
    """Return `path` if its ending is one that `animate` can write, before the frames are made.

    Raises:
        ExportError: for another ending.
        MissingExtra: for an MP4 without the packages that it needs.
    """
    if path.suffix.lower() not in (".gif", ".mp4"):
        better = path.with_suffix(".gif") if path.name else path / "animation.gif"  # "." has no name
        raise ExportError(f"{path} has an ending that no animation has: call it {better} or .mp4.")
    if path.suffix.lower() == ".mp4":
        with extra("video", f"MP4 ({path})"):
            import imageio_ffmpeg  # noqa: F401
    return path


def animate(frames: Iterable[Image.Image], path: Path, *, fps: float, hold_s: float = 0.0) -> int:
    """Write frames of one size as a GIF that repeats, or an MP4, by atomic rename; return their number.

    Args:
        frames: at least one; they are taken one by one.
        path: the file; its ending decides the format; a missing folder is made.
        fps: frames a second.
        hold_s: seconds that the last frame stays.

    Raises:
        ExportError: for no frames, another ending, or when ffmpeg fails.
        MissingExtra: for an MP4 without the packages that it needs.
    """
    write = _write_mp4 if check_animation(path).suffix.lower() == ".mp4" else _write_gif
    with replacing(path) as part:
        return write(iter(frames), part, fps, hold_s)


def _first(frames: Iterator[Image.Image]) -> Image.Image:
    first = next(frames, None)
    if first is None:
        raise ExportError("Cannot write an animation of no pictures.")
    return first


def _write_gif(frames: Iterator[Image.Image], path: Path, fps: float, hold_s: float) -> int:
    tiles = [_small(_first(frames)), *map(_small, frames)]
    # One palette for all frames: with one per frame, colours would flicker. Dithering hides that there are only 256.
    palette = _palette(tiles)
    tiles = [tile.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for tile in tiles]
    delay_ms = round(1000 / fps)
    delays = [delay_ms] * (len(tiles) - 1) + [delay_ms + round(1000 * hold_s)]
    # disposal 1: a frame is painted over the one before, so that pixels that do not change are not stored again.
    tiles[0].save(path, "GIF", save_all=True, append_images=tiles[1:], duration=delays, loop=0, disposal=1)
    return len(tiles)


def _small(frame: Image.Image) -> Image.Image:
    frame = frame.convert("RGB")
    frame.thumbnail((GIF_SIDE, GIF_SIDE), Image.Resampling.LANCZOS)
    return frame


def _palette(tiles: list[Image.Image], num: int = 8) -> Image.Image:
    """Return a picture with the 256 colours that suit `num` of the tiles best, the first and the last among them."""
    chosen = [tiles[round(k * (len(tiles) - 1) / (num - 1))] for k in range(num)]
    size = (max(1, chosen[0].width // 2), max(1, chosen[0].height // 2))
    strip = Image.new("RGB", (size[0], num * size[1]))
    for place, tile in enumerate(chosen):
        strip.paste(tile.resize(size), (0, place * size[1]))
    return strip.quantize(256, Image.Quantize.MEDIANCUT)


def _write_mp4(frames: Iterator[Image.Image], path: Path, fps: float, hold_s: float) -> int:
    """Pipe the frames through ffmpeg as H.264, which every browser plays."""
    with extra("video", "MP4"):
        import imageio_ffmpeg
    first = _first(frames).convert("RGB")
    size = (first.width // 2 * 2, first.height // 2 * 2)  # H.264 stores colours in blocks of 2x2 pixels
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "-"]
    # yuv420p and faststart: browsers need them. crf 20: looks almost like the original.
    encoded = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "20", "-movflags", "+faststart", str(path)]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *raw, *encoded]
    count, last = 0, first
    with tempfile.TemporaryFile() as said:  # a pipe without a reader could fill up
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said) as ffmpeg:
            assert ffmpeg.stdin is not None
            try:
                for last in itertools.chain([first], frames):
                    ffmpeg.stdin.write(_pixels(last, size))
                    count += 1
                for _ in range(round(hold_s * fps)):
                    ffmpeg.stdin.write(_pixels(last, size))
            except BrokenPipeError:  # it ended early; its output says why
                pass
            except BaseException:
                ffmpeg.kill()
                raise
            finally:
                with suppress(BrokenPipeError):
                    ffmpeg.stdin.close()
        if ffmpeg.returncode:
            said.seek(0)
            reason = said.read().decode(errors="replace").strip().splitlines() or ["it did not say why"]
            raise ExportError(f"ffmpeg could not write the MP4 (code {ffmpeg.returncode}): {reason[-1]}")
    return count


def _pixels(frame: Image.Image, size: tuple[int, int]) -> bytes:
    """Return the frame as RGB bytes, without the last row or column if their number is odd."""
    return np.ascontiguousarray(frame.convert("RGB").crop((0, 0, *size))).tobytes()
