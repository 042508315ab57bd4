"""Optional packages, which only some commands need: `pip install 'ganns[video]'` and so on (see pyproject.toml)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ganns.errors import MissingExtra


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Import the packages of an extra inside this block.

        with extra("video", "MP4"):
            import imageio_ffmpeg

    Raises:
        MissingExtra: if an import fails; its message begins with `purpose` and says what to install.
    """
    with package(f"'ganns[{name}]'", purpose):
        yield


@contextmanager
def package(name: str, purpose: str) -> Iterator[None]:
    """Import a package that no extra of ours has inside this block, for instance in a plug-in.

    Raises:
        MissingExtra: if the import fails; its message begins with `purpose` and says what to install.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtra(
            f"{purpose} needs a package that is not installed ({error.name or error}): pip install {name}"
        ) from error
