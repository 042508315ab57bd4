"""`ganns data`: fetch images, check them, describe them, pack them for a class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganns.cli import completion
from ganns.cli.places import user_path
from ganns.utils.console import SafeConsole, say

if TYPE_CHECKING:
    from ganns.config import Config
    from ganns.data.http.transfer import OnProgress
    from ganns.data.report import Track

app = typer.Typer(help="The images: fetch, check, describe, pack.", no_args_is_help=True)

Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Settings, as for `ganns train`: data=celeba ...", autocompletion=completion.overrides),
]


@app.command()
def get(
    what: Annotated[str, typer.Argument(help="`celeba`, with --hub; or the http(s) address of a file.")],
    hub: Annotated[str | None, typer.Option(help="The data set's repository on the hub, OWNER/NAME.")] = None,
    file: Annotated[str, typer.Option(help="The file's name in that repository.")] = "img_align_celeba.zip",
    sha256: Annotated[str | None, typer.Option(help="The checksum that the file must have.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default: in data/ below GANNS_HOME.", parser=user_path)
    ] = None,
) -> None:
    """Fetch a file: continue a partial download, check it, and keep only a complete file."""
    from ganns import paths
    from ganns.data.http.address import check_address, is_url, shown
    from ganns.data.http.download import download
    from ganns.data.http.hub import locate
    from ganns.data.sources.celeba import ZIP
    from ganns.errors import ConfigError

    if sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ConfigError(f"--sha256={sha256} is not a SHA-256: give its 64 hexadecimal digits.")
    home = paths.home() / "data"
    if what == "celeba":
        if hub is None:
            raise ConfigError(
                "CelebA has no address that stays the same: name a hub repository that has it, with "
                "--hub OWNER/NAME, or give the address of the zip file, `ganns data get https://...`"
            )
        target = out or home / "celeba" / ZIP
        found, was_there = locate(hub, file), target.is_file()
        with _progress(target.name) as show:
            download(
                found.url,
                target,
                size=found.size,
                sha256=sha256 or found.sha256,
                headers=found.headers,
                on_progress=show,
            )
    elif is_url(what):
        name = re.sub(r"[?#].*", "", what).partition("://")[2].partition("/")[2].rstrip("/").rpartition("/")[2]
        if not name and out is None:
            check_address(what)
            raise ConfigError(f"{shown(what)} names no file: say with --out where to write what it sends.")
        target = out or home / name
        was_there = target.is_file()
        with _progress(target.name) as show:
            download(what, target, sha256=sha256, on_progress=show)
    else:
        raise ConfigError(f"{what} cannot be fetched: type `celeba`, with --hub, or an address, http(s)://...")
    say(f"{target}, {target.stat().st_size / 1e6:,.1f} MB{', was there already and is kept' if was_there else ''}")
    if target.name == ZIP:
        say(f"train with it: ganns train data=celeba data.path={target}")


@app.command()
def info(overrides: Overrides = None) -> None:
    """Describe the images: number, split, size, fingerprint, and the paths of copies."""
    from ganns import paths
    from ganns.data import report

    config = _config(overrides)
    lines = report.info(config.data, config.model.image_size, paths.home() / "data")
    for key, value in lines.items():
        say(f"{key:<12} {value}")


@app.command()
def check(overrides: Overrides = None) -> None:
    """Check that all images exist and can be read; if not, name the file and exit with 1."""
    from ganns import paths
    from ganns.data import report

    config = _config(overrides)
    report.check(config.data, config.model.image_size, paths.home() / "data", say, _tracker())


@app.command()
def pack(
    out: Annotated[Path, typer.Argument(help="The folder to create.", parser=user_path)],
    overrides: Overrides = None,
) -> None:
    """Decode the images into a folder for a web server, from which workers fetch only the images they need."""
    from ganns import paths
    from ganns.data.packed import format as packs
    from ganns.data.sources.source import SOURCES
    from ganns.errors import ConfigError

    config = _config(overrides)
    if config.data.name not in SOURCES:
        why = "is packed already" if config.data.name == "packed" else "is a plug-in, which has no image files"
        raise ConfigError(f"data.name={config.data.name} {why}: choose {' or '.join(SOURCES)}.")
    source = SOURCES[config.data.name](config.data)
    with _progress(out.name, unit="shards") as show:
        index = packs.write(source, config.model.image_size, out, paths.home() / "data", show)
    size = sum(path.stat().st_size for path in out.iterdir())
    say(f"{out}: {index.num_images:,} images of {index.image_size}x{index.image_size}, {size / 1e6:,.1f} MB")
    if not index.attributes:
        say("the images carry no attributes, so model.conditional=true cannot learn from them")
    say("serve the folder with a web server that supports ranges, and train with  data=packed data.url=http://...")


def _config(overrides: list[str] | None) -> Config:
    from ganns.launch.compose import compose

    return compose(overrides or [])


@contextmanager
def _progress(name: str, unit: str = "bytes") -> Iterator[OnProgress]:
    """Show a progress bar on stderr, if it is a terminal, and yield the function that moves it."""
    from rich import progress

    counts = (
        [progress.DownloadColumn(), progress.TransferSpeedColumn(), progress.TimeRemainingColumn()]
        if unit == "bytes"
        else [progress.MofNCompleteColumn(), progress.TextColumn(unit)]
    )
    console = SafeConsole(stderr=True)
    columns = [progress.TextColumn("{task.description}"), progress.BarColumn(), *counts]
    with progress.Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def _tracker() -> Track:
    """Return a function that iterates over numbers and moves a progress bar."""

    def track(numbers: range, what: str) -> Iterator[int]:
        with _progress(what, unit="") as show:
            for done, number in enumerate(numbers):
                yield number
                show(done + 1, len(numbers))

    return track
