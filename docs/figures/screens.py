"""Take the pictures of the dashboard again: `python -m docs.figures.screens`. A real run of four workers, ten minutes.

It needs chromium, and a machine that does nothing else: the pictures show its speed. Look at them before you commit.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from benchmarks.classroom import classroom, wait_for
from tests.support.helpers import ROOT, free_port

NAMES = ("anna", "ben", "chloe", "deniz")
RUN = (
    *("experiment=demo", "name=faces together", "evaluate=attributes", "evaluate.every=20", "evaluate.images=512"),
    *("quorum.units=4", "quorum.spares=2", "sample_every=5", "stop.minutes=30"),
)
WIDE, HIGH, PHONE = (1600, 900), (1600, 1331), (390, 844)
WIDTH = 1200  # of a picture, at most
PAGES = (
    ("dashboard-people", "/people", WIDE, "light"),
    ("dashboard-learn", "/learn", WIDE, "light"),
    ("dashboard-phone", "/", PHONE, "dark"),
    ("dashboard-now", "/", HIGH, "light"),
)
SETTLE_S = 8.0  # until curves and a part of a round are there


def take(browser: Browser, url: str, folder: Path) -> None:
    """Take each picture."""
    for name, path, (width, height), scheme in PAGES:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
        )
        page = context.new_page()
        page.goto(url + path)
        time.sleep(SETTLE_S)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        picture.thumbnail((WIDTH, height))
        picture.save(folder / f"{name}.webp", quality=80, method=6)
        print(folder / f"{name}.webp", flush=True)
        context.close()


def is_served(url: str) -> bool:
    """Tell whether the dashboard answers."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except (OSError, urllib.error.URLError):
        return False
    return True


def main() -> None:
    """Train, and take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="of training before the pictures")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args()
    with classroom("screens") as room, (room.folder / "log").open("ab") as log:
        for name in NAMES:
            room.start_worker(name)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        ours = os.environ | {"GANNS_DATABASE_URL": room.address.conninfo, "LOGNAME": "someone"}
        commands = (["train", *RUN, f"hydra.run.dir={room.folder}"], ["dashboard", "--port", str(port)])
        processes = [
            subprocess.Popen([sys.executable, "-m", "ganns", *one], cwd=ROOT, env=ours, stdout=log, stderr=log)
            for one in commands
        ]
        try:
            wait_for(lambda: is_served(url), "the dashboard")
            wait_for(
                lambda: processes[0].poll() is not None or room.rows("SELECT FROM ganns.runs WHERE version > 0"),
                "the first round",
                timeout_s=300,
            )
            if processes[0].poll() is not None:
                raise SystemExit(Path(log.name).read_text())
            time.sleep(arguments.minutes * 60)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
                )
                take(browser, url, arguments.folder)
        finally:
            for process in processes:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
