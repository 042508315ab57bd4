"""The dashboard's cost, and the time from a commit to the pixels.

    python -m benchmarks.dashboard

There are three parts. In the first, `benchmarks.lesson` simulates a class of 30 with 1,000 earlier rounds, and adds a
round a second: a headless Chromium records when it draws the pixels of a new version, which is compared with the time
of the commit. In the second, ten WebSocket clients watch without drawing, and the dashboard's own CPU time and memory
are read. In the third, two real workers train in alternating blocks, with and without a dashboard that ten clients
watch; the compared number is the CPU time for an image of all other processes (coordinator, workers, all of
PostgreSQL). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect as connect_socket

from benchmarks.cluster import Stopwatch, cluster
from benchmarks.lesson import Lesson
from ganns.config import Config, EvaluateConfig, GradientStrategy, ModelConfig, QuorumConfig, StopConfig, SyntheticData
from ganns.coordinator import train_run
from ganns.db.address import Address
from ganns.db.connect import connect

NUM_CLIENTS = 10
TICK = os.sysconf("SC_CLK_TCK")
# Record when a new text of the version's figure is on the screen: after the frame that follows its change.
WATCH_PIXELS = """() => {
  window.seen = [];
  const figure = [...document.querySelectorAll(".figure")].find((one) => one.textContent.includes("version"));
  const strong = figure.querySelector("strong");
  const note = () => {
    const text = strong.textContent;
    requestAnimationFrame(() => requestAnimationFrame(() =>
      window.seen.push([Number(text.replaceAll(",", "")), performance.timeOrigin + performance.now()])));
  };
  new MutationObserver(note).observe(figure, { subtree: true, childList: true, characterData: true });
}"""


def cpu_s(pids: Sequence[int]) -> float:
    """Return the CPU seconds that processes and their ended children have used so far."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICK


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for one in found:
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in path.read_text().split()]
    return found


def rss_mb(pid: int) -> float:
    """Return a process's resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def dashboard(address: Address, *options: str) -> Iterator[tuple[int, str]]:
    """Run `ganns dashboard` with these options; yield (process, URL)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "ganns", "dashboard", "--port", str(port), *options],
        env=os.environ | {"GANNS_DATABASE_URL": address.conninfo},
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process.pid, url
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def clients(url: str, run: int, num: int = NUM_CLIENTS) -> Iterator[list[int]]:
    """Let `num` clients watch a run and its people; yield each one's number of messages so far."""
    counts = [0] * num
    address = url.replace("http", "ws") + f"/live?run={run}&people={run}"
    sockets = [connect_socket(address, max_size=None) for _ in range(num)]

    def read(number: int) -> None:
        for _ in sockets[number]:
            counts[number] += 1

    threads = [threading.Thread(target=read, args=(number,), daemon=True) for number in range(num)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        for one in sockets:
            one.close()
        for thread in threads:
            thread.join(5)


def play(lesson: Lesson, rounds: int, every_s: float) -> dict[int, float]:
    """Simulate rounds, one in `every_s` seconds; return {version: time of its commit, in ms since 1970}."""
    committed = {}
    for number in range(rounds):
        until = time.monotonic() + every_s
        lesson.open()
        for unit in range(lesson.units):
            lesson.claim(unit)
        for unit in range(lesson.units):
            lesson.submit(unit)
            time.sleep(max(0.0, (until - time.monotonic() - 0.1) / (lesson.units - unit)))
        lesson.close()
        committed[lesson.round] = time.time() * 1000
        if number % 3 == 0:
            lesson.beat()
        time.sleep(max(0.0, until - time.monotonic()))
    return committed


def watch_pixels(lesson: Lesson, url: str, rounds: int, every_s: float) -> dict[str, Any]:
    """Return the durations of page loads, and the times from a commit to the pixels."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("There is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        loads = []
        for _ in range(5):
            page = browser.new_page(viewport={"width": 1600, "height": 900})  # nothing is cached
            begun = time.monotonic()
            page.goto(url)
            text = f"{lesson.round:,}"
            page.locator(".figure", has_text="version").locator("strong", has_text=text).first.wait_for()
            loads.append((time.monotonic() - begun) * 1000)
            page.close()
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(url)
        page.wait_for_timeout(3000)
        page.evaluate(WATCH_PIXELS)
        committed: dict[int, float] = {}
        player = threading.Thread(target=lambda: committed.update(play(lesson, rounds, every_s)))
        player.start()
        while player.is_alive():
            page.wait_for_timeout(200)
        page.wait_for_timeout(2000)
        seen = [(int(version), at) for version, at in page.evaluate("window.seen")]
        browser.close()
    delays = sorted(
        min((at for version, at in seen if version >= wanted), default=float("inf")) - when
        for wanted, when in committed.items()
    )
    figures = {
        "page_load_ms": round(statistics.median(loads)),
        "event_to_page_ms_median": round(statistics.median(delays)),
        "event_to_page_ms_p95": round(delays[int(0.95 * (len(delays) - 1))]),
    }
    return figures


def watch_cost(lesson: Lesson, url: str, pid: int, rounds: int, every_s: float) -> dict[str, Any]:
    """Return the dashboard's own CPU and memory while clients watch."""
    with clients(url, lesson.run) as counts:
        play(lesson, 3, every_s)
        begun, before = time.monotonic(), cpu_s([pid])
        play(lesson, rounds, every_s)
        percent = 100 * (cpu_s([pid]) - before) / (time.monotonic() - begun)
    figures = {"cpu_percent": round(percent, 2), "rss_mb": round(rss_mb(pid), 1), "messages": min(counts)}
    return figures


def slowdown(blocks: int, block_s: float) -> dict[str, Any]:
    """Return the CPU time of an image with a watched dashboard divided by that without, from alternating blocks."""
    config = Config(
        name="slowdown",
        model=ModelConfig(image_size=32, features_g=32, features_d=32),
        data=SyntheticData(count=4000, holdout=2),
        strategy=GradientStrategy(unit_images=64, micro_batch=64),
        quorum=QuorumConfig(units=4),
        evaluate=EvaluateConfig(every=0),
        stop=StopConfig(rounds=1_000_000),
        sample_every=0,
    )
    stop, watch = threading.Event(), Stopwatch()
    costs: dict[bool, list[float]] = {True: [], False: []}
    with cluster(num_workers=2) as address:
        training = threading.Thread(target=train_run, args=(config, address, watch, stop))
        training.start()
        while len(watch.reports) < 10:
            time.sleep(0.2)
        run = watch.reports[0].run_id

        def block(without: int) -> float:
            """Return the CPU seconds of an image, without those of one process."""
            pids = [pid for pid in [*family(os.getpid()), *postgres(address)] if pid != without]
            begun, images = cpu_s(pids), watch.reports[-1].images
            time.sleep(block_s)
            return (cpu_s(pids) - begun) / (watch.reports[-1].images - images)

        for number in range(2 * blocks):
            watched = number % 4 in (0, 3)  # with, without, without, with: cancels a drift of the machine's speed
            if watched:
                with dashboard(address) as (pid, url), clients(url, run):
                    time.sleep(1)
                    costs[True].append(block(pid))
            else:
                time.sleep(2)
                costs[False].append(block(0))
        stop.set()
        training.join()
    ratio = statistics.mean(costs[True]) / statistics.mean(costs[False])
    figures = {
        "training_slowdown": round(ratio - 1, 4),
        "slowdown_blocks": 2 * blocks,
        "slowdown_spread": round(statistics.stdev(costs[False]) / statistics.mean(costs[False]), 4),
    }
    return figures


def postgres(address: Address) -> list[int]:
    """Return the processes of the server."""
    with connect(address) as conn:
        row = conn.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        parent = int(Path(f"/proc/{row[0]}/stat").read_text().rpartition(")")[2].split()[1])
    return family(parent)


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--blocks", type=int, default=10, help="blocks of each kind, for the slowdown; 0: none")
    parser.add_argument("--block-s", type=float, default=8.0)
    arguments = parser.parse_args()
    with cluster(num_workers=0) as address, connect(address) as conn:
        lesson = Lesson(conn, num_workers=30, units=30, spares=4)
        lesson.past(1000, samples=100)
        with dashboard(address) as (pid, url):
            seen = watch_pixels(lesson, url, arguments.rounds, 1.0)
            cost = watch_cost(lesson, url, pid, arguments.rounds, 1.0)
    trained = slowdown(arguments.blocks, arguments.block_s) if arguments.blocks else {}
    print(json.dumps(seen | cost | trained))


if __name__ == "__main__":
    main()
