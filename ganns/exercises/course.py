"""A course of two weeks as a folder: lessons, slides, quizzes, and the instructor's pages.

The files are those of `docs/course`. A copy can be read without the documentation: links to other pages become links to
the documentation on the web, and pictures lie in the copy. `build_slides` makes presentations with sphinx-revealjs
(reveal.js), and PDF files of them with Chromium.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import metadata
from importlib.util import find_spec
from pathlib import Path

from ganns.errors import ConfigError
from ganns.paths import course_dir, image_dir
from ganns.utils.atomic import write_text
from ganns.utils.installation import install_command

OWN = {"demo.png": "class-faces.png", "losses.png": "class-losses.png"}
"""Pictures on the slides of the last lesson, and their names in the copy: a class puts those of its own run there."""
LAST = "6.md"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PICTURE = re.compile(r"(!\[[^\]]*\]\()((?:\.\./)*images/)([\w.-]+)\)")
_LINK = re.compile(r"(?<!!)(\[[^\]]*\]\()((?:\.\./)+)([\w/.-]+\.md(?:#[\w-]+)?)\)")


def write_course(folder: Path) -> list[Path]:
    """Copy the course into a new folder; return the files.

    Raises:
        ConfigError: the folder has files already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists, and is not overwritten: name a folder that does not exist yet.")
    source = course_dir()
    written: list[Path] = []
    for path in sorted(source.rglob("*")):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        copy = folder / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            write_text(copy, _alone(path, source, copy.parent, written))
        else:
            shutil.copyfile(path, copy)
        written.append(copy)
    return sorted(set(written))


def _alone(path: Path, source: Path, folder: Path, written: list[Path]) -> str:
    """Return a page that needs no file outside the course; copy its pictures into `folder`/images."""

    def picture(found: re.Match[str]) -> str:
        is_own = path.parent.name == "slides" and path.name == LAST
        copy = folder / "images" / (OWN[found[3]] if is_own else found[3])
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(image_dir() / found[3], copy)
        written.append(copy)
        return f"{found[1]}images/{copy.name})"

    def link(found: re.Match[str]) -> str:
        target = Path(os.path.normpath(path.relative_to(source).parent / found[2] / found[3]))
        if target.parts[0] != "..":
            return found[0]  # a page of the course
        return f"{found[1]}{documentation()}/{Path(*target.parts[1:]).as_posix()})"

    return _LINK.sub(link, _PICTURE.sub(picture, path.read_text("utf-8")))


def documentation() -> str:
    """Return the address of the documentation, from the package's own metadata."""
    addresses: list[str] = metadata("ganns").get_all("Project-URL") or []
    [found] = [one.removeprefix("Documentation, ") for one in addresses if one.startswith("Documentation, ")]
    return found


def build_slides(folder: Path) -> tuple[list[Path], list[Path]]:
    """Make a presentation of each file in `folder`/slides; return the HTML files, and the PDF files.

    Without Chromium there are no PDF files.

    Raises:
        ConfigError: there are no slides, the extra `slides` is not installed, or the slides have a mistake.
    """
    slides = folder / "slides"
    if not (slides / "conf.py").is_file():
        raise ConfigError(f"{folder} has no slides: type `ganns course init {folder}` first.")
    if find_spec("sphinx_revealjs") is None or find_spec("myst_parser") is None:
        raise ConfigError(f"Slides need more packages: {install_command('slides')}")
    html = slides / "html"
    command = [sys.executable, "-P", "-m", "sphinx", "-q", "-E", "-b", "revealjs", str(slides), str(html)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or "WARNING" in done.stderr:
        raise ConfigError(f"The slides in {slides} have a mistake: {done.stderr.strip() or done.stdout.strip()}")
    pages = sorted(html.glob("[0-9]*.html"))
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    return pages, [_print(browser, page, slides / "pdf" / f"{page.stem}.pdf") for page in pages] if browser else []


def _print(browser: str, page: Path, out: Path) -> Path:
    """Print a presentation, one slide a page, into a PDF file."""
    out.parent.mkdir(exist_ok=True)
    # Without reveal.js, which shows one slide at a time: its own way to print depends on when the browser looks.
    text = re.sub(r"<script.*?</script>", "", page.read_text("utf-8"), flags=re.DOTALL)
    text = re.sub(r"_static/revealjs/dist/reveal\.css[^\"]*", "_static/print.css", text)
    sheet = page.with_name(f"print-{page.name}")
    write_text(sheet, text)
    settings = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    printing = ["--no-pdf-header-footer", f"--print-to-pdf={out.resolve()}", sheet.resolve().as_uri()]
    done = subprocess.run([browser, *settings, *printing], capture_output=True, text=True, timeout=120)
    sheet.unlink()
    if not out.is_file():
        raise ConfigError(f"{browser} has printed nothing for {page}: {done.stderr.strip()[-300:]}")
    return out
