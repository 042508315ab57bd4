"""The tutorials work: a reader's commands, typed one after the other, make what the page says."""

from __future__ import annotations

import re
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image

from tests.support.helpers import ROOT, free_port
from tests.support.terminals import Machine, commands

FIRST_RUN = "docs/tutorial/first-run.md"
TWO_MACHINES = "docs/tutorial/two-machines.md"
SMALL = (
    "model.features_g=8 model.features_d=8 data.count=64 data.holdout=32 strategy.unit_images=16 "
    "strategy.micro_batch=8 stop.minutes=null stop.rounds=3 sample_every=2"
)
"""Typed behind the page's own settings: the same training, in seconds."""


def rows_of(page: str, title: str) -> list[str]:
    """The first cells of the table of a section, without backticks."""
    section = (ROOT / page).read_text("utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    return [
        cell for row in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE) for cell in re.findall(r"`(.*?)`", row)
    ]


@pytest.mark.long
def test_first_run(tmp_path: Path) -> None:
    done = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("ganns demo")
    lines = [line for line in commands(FIRST_RUN) if not line.startswith(("source ", "cd "))]
    assert [line.split()[:2] for line in lines] == [["make", "demo"], *[["ganns", "demo"]] * 3, ["ganns", "solo"]]

    with ExitStack() as stack:
        machine = Machine(tmp_path / "machine", stack)
        files = set(rows_of(FIRST_RUN, "What it made"))
        assert {"timeline.png", "dashboard.log"} <= files
        output = machine.type(f"{lines[0].replace('make demo', 'ganns demo')} {SMALL}")
        [made] = (machine.folder / "outputs/demo").iterdir()
        assert files <= {path.name + "/" * path.is_dir() for path in made.iterdir()}, output
        # Two others train for longer, and are otherwise the first: `tests/project/test_docs.py` composes them.
        machine.type(f"{lines[2]} {SMALL} --no-dashboard")
        assert len(list((machine.folder / "outputs/demo").glob("*/timeline.png"))) == 2
        machine.type(f"{lines[4]} {SMALL}")
        assert list((machine.folder / "outputs/train").glob("*/state.safetensors"))
        assert list((machine.folder / "outputs/train").glob("*/samples/*.png"))


@pytest.mark.long
def test_two_machines() -> None:
    serve, line_for_others = commands(TWO_MACHINES, "1. Desk: open a database")
    join, work, stock = commands(TWO_MACHINES, "2. Laptop: join")
    [train] = commands(TWO_MACHINES, "3. Desk: train")
    resume = "ganns train resume=latest"
    assert f"`{resume}`" in (ROOT / TWO_MACHINES).read_text("utf-8")
    on_the_page = re.search(r"postgresql://[^\s']+", line_for_others)
    assert on_the_page

    port = free_port()
    with ExitStack() as stack:
        # Not below pytest's folder: each pytest that starts makes it private, and root's server is another user's.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ganns-")))
        desk, laptop = Machine(folder / "desk", stack), Machine(folder / "laptop", stack)

        database = desk.start(f"{serve} --port {port}")
        printed = database.wait_for(r"^ *GANNS_DATABASE_URL='(\S+)' ganns worker$")
        assert line_for_others.replace(on_the_page[0], printed[1]) == printed[0].strip()
        address = re.sub(r"@[^/]*:", "@127.0.0.1:", printed[1])  # whatever this machine is called in its network

        laptop.type(join.replace(on_the_page[0], address))
        worker = laptop.start(work)
        laptop.start(stock)
        coordinator = desk.start(f"{train} {SMALL} stop.rounds=1000000")
        coordinator.wait_for(r"round \d+ .*images/s.*[23] workers")

        # 4. Try to break it; the worker's Ctrl-C comes last, so that a worker computes meanwhile
        assert coordinator.ctrl_c() == 0
        coordinator = desk.start(f"{resume} stop.rounds=1000000")
        before = int(coordinator.wait_for(r"run 1 is open at version (\d+)")[1])
        coordinator.wait_for(r"round \d+ .*images/s")
        so_far = len(coordinator.output)
        assert database.ctrl_c() == 0
        coordinator.wait_for("reconnecting|trying again", after=so_far)
        database = desk.start(f"{serve} --port {port}")
        database.wait_for("ganns worker")
        again = coordinator.wait_for(r"round (\d+) .*images/s", after=len(coordinator.output))
        assert int(again[1]) > before

        # 5. See each worker's share
        runs, share, sample = commands(TWO_MACHINES, "5. See each worker's share")
        assert "open" in desk.type(runs)
        assert "ada" in desk.type(share)
        desk.type(sample)
        with Image.open(desk.folder / "faces.png") as picture:
            assert picture.width > 100

        assert worker.ctrl_c() == 0
        assert coordinator.ctrl_c() == 0


@pytest.mark.slow
def test_the_readme_trains_together() -> None:
    lines = [line.partition("  #")[0] for line in commands("README.md", "Train together")]
    serve, join, work, train, dashboard = lines
    line = re.search(r"'postgresql://[^']+'", join)
    assert line
    port = free_port()
    with ExitStack() as stack:
        # Not below pytest's folder: each pytest that starts makes it private, and root's server is another user's.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ganns-")))
        first, other = Machine(folder / "first", stack), Machine(folder / "other", stack)
        database = first.start(f"{serve} --port {port}")
        printed = database.wait_for(r"^ *ganns join ('\S+')$")[1]
        other.type(join.replace(line[0], re.sub(r"@[^/]*:", "@127.0.0.1:", printed)))
        worker = other.start(work)
        coordinator = first.start(f"{train} {SMALL} stop.rounds=1000000 quorum.units=1")
        coordinator.wait_for(r"round \d+ .*images/s.*1 worker")
        shown = first.start(f"{dashboard} --port {free_port()}")
        shown.wait_for(r"http://\S+")
        for one in (shown, worker, coordinator, database):
            assert one.ctrl_c() in (0, 130)
