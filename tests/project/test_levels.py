"""The levels work: a reader types every command of each page, in its order, into as many terminals as the page says.

`Reader.follow` reads the page. A block's commands are typed one after the other. One that stays (`STAYS`) gets a
terminal of its own, and the reader goes on when it says that it is ready. Where the page says "Press Ctrl-C in the
terminal of `X`", that is done. What is not the page's own is said here: addresses, free ports, small networks
(`SMALL`), a folder for pip.
"""

from __future__ import annotations

import csv
import re
import sys
import zipfile
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from PIL import Image

from ganns.db.server.embedded import EmbeddedServer
from tests.support.helpers import ROOT, free_port
from tests.support.terminals import Machine, Running

SMALL = (
    "model.features_g=8 model.features_d=8 data.count=64 data.holdout=32 strategy.unit_images=16 "
    "strategy.micro_batch=8 sample_every=2"
)
ENDLESS, SHORT = "stop.minutes=null stop.rounds=1000000", "stop.minutes=null stop.rounds=2"
TABLES = ("workers", "ledger")
STAYS = {
    "ganns db serve": "ganns worker$",
    "ganns worker": r"\d workers? with",
    "ganns train": r"round \d+ .*images/s|waiting for|no worker|run \d+ is paused",
    "ganns dashboard": r"http://\S+",
    "ssh": "",
}
"""Commands that stay, and what they say when they are ready."""
PIECES = re.compile(r"^```(\w*)\n(.*?)^```$|[Pp]ress Ctrl-C in the terminal of\s+`([^`]+)`", re.MULTILINE | re.DOTALL)


class Reader:
    """A reader who follows a page at a machine."""

    def __init__(self, machine: Machine, **behind: str) -> None:
        """Type `behind["train"]` behind commands that begin with `ganns train`, and so on (`db_serve`)."""
        self.machine = machine
        self.behind = {f"ganns {name.replace('_', ' ')}": text for name, text in behind.items()}
        self.replaced: dict[str, str] = {}
        self.running: list[Running] = []
        self.printed: dict[str, str] = {}
        self.may_fail: set[str] = set()

    def follow(self, page: str, begin: str = "", end: str = "") -> None:
        """Do what the page says, from one heading to another."""
        text = (ROOT / "docs/tutorial" / page).read_text("utf-8")
        assert begin in text, f"{page} has no {begin!r} any more: correct the test"
        assert end in text, f"{page} has no {end!r} any more: correct the test"
        text = text[text.index(begin) if begin else 0 : text.index(end) if end else None]
        for language, block, leave in PIECES.findall(text):
            for line in block.splitlines() if not language else ():
                self.type(line)
            if leave:
                self.ctrl_c(leave)

    def type(self, line: str) -> None:
        for old, new in self.replaced.items():
            line = line.replace(old, new)
        words = re.sub(r"^(\w+=\S+ )+", "", line)
        line += "".join(f" {text}" for start, text in self.behind.items() if words.startswith(start))
        stays = [pattern for start, pattern in STAYS.items() if words.startswith(start)]
        if stays:
            self.running.append(self.machine.start(line))
            self.running[-1].wait_for(stays[0])
        elif words in self.may_fail:
            running = self.machine.start(line)
            running.process.wait(120)
            self.printed[words] = running.output
        else:
            self.printed[words] = self.machine.type(line)

    def terminal(self, command: str) -> Running:
        """The newest terminal of a command that still runs."""
        found = [one for one in self.running if command in one.line and one.process.poll() is None]
        assert found, f"{command} does not run"
        return found[-1]

    def ctrl_c(self, command: str) -> None:
        assert self.terminal(command).ctrl_c() in (0, 130)


def address_of(serving: Running) -> str:
    """The address that `ganns db serve` printed, whatever this machine is called in its network."""
    printed = serving.wait_for(r"^ *GANNS_DATABASE_URL='(\S+)' ganns worker$")[1]
    return re.sub(r"@[^/]*:", "@127.0.0.1:", printed)  # its certificate counts wherever the server is


@pytest.mark.long
@pytest.mark.timeout(400)
def test_levels_0_1_and_2(tmp_path: Path) -> None:
    with ExitStack() as stack:
        machines = [Machine(tmp_path / name, stack) for name in ("cluster", "guest", "visitor")]
        cluster, guest, visitor = (
            Reader(
                one,
                db_serve=f"--port {free_port()}",
                train=f"{SMALL} {ENDLESS} db.checkpoint_s=1",
                dashboard=f"--port {free_port()}",
            )
            for one in machines
        )
        page = "level-2-cluster.md"
        cluster.behind["ganns train resume"] = ""
        cluster.follow(page, end="## 2. A worker")
        address = address_of(cluster.terminal("db serve"))
        cluster.replaced["postgresql://ganns_class:SECRET@127.0.0.1:5432/ganns"] = address
        cluster.follow(page, "## 2. A worker", "## 5. Look")
        cluster.terminal("train").wait_for(r"round \d+ .*2 workers")
        cluster.follow(page, "## 5. Look", "## 6. Break it")
        shown = cluster.printed["ganns tasks workers"]
        assert "ada" in shown
        assert "ben" in shown
        assert "open" in cluster.printed["ganns runs"]

        guest.replaced["postgresql://ganns_class:SECRET@192.0.2.7:5432/ganns"] = address
        guest.follow("level-1-join.md", end="## Leave")
        assert "ada" in guest.printed["ganns tasks workers"]
        assert "round" in guest.printed["ganns top --once"]
        guest.follow("level-1-join.md", "## Leave")
        visitor.replaced |= guest.replaced
        visitor.follow("level-0-watch.md", "## With the program")
        assert "run 1" in visitor.printed["ganns top --once"].lower()
        with Image.open(visitor.machine.folder / "faces.png") as picture:
            assert picture.width > 100

        cluster.behind = {"ganns train": ENDLESS.replace("stop.minutes=null ", "")}
        cluster.follow(page, "## 6. Break it", "## 7. Clean up")
        coordinator = cluster.terminal("resume=latest")
        coordinator.wait_for("(?i)run 1 is open at version")
        coordinator.wait_for(r"round \d+ .*images/s", after=len(coordinator.output))
        cluster.follow(page, "## 7. Clean up")
        for command in ("ganns train", "ganns worker", "db serve"):
            cluster.ctrl_c(command)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_level_3(tmp_path: Path) -> None:
    page = "level-3-change.md"
    with ExitStack() as stack:
        author, without = (Machine(tmp_path / name, stack) for name in ("author", "without"))
        (author.folder / "docs").symlink_to(ROOT / "docs")
        # pip installs into a folder of this test, with what is here already: nothing is fetched.
        site = author.folder / "site"
        author.variables |= {"PIP_TARGET": str(site), "PIP_UPGRADE": "1", "PIP_NO_DEPS": "1", "PYTHONPATH": str(site)}
        author.variables |= {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        reader = Reader(author, solo=f"{SMALL} {SHORT}", train=f"{SMALL} {ENDLESS}", db_serve=f"--port {free_port()}")
        reader.follow(page, end="Now make a mistake.")
        assert len(reader.printed["ganns plugin list"].splitlines()) == 5

        source = author.folder / "my-plugin/ganns_example/trimmed.py"
        right = change(source, "kept.mean(dim=0)", "kept.sum(dim=0)")
        reader.may_fail = {"ganns plugin check trimmed"}
        reader.follow(page, "Now make a mistake.", "It says that equal")
        assert "WRONG equal results give that result" in reader.printed["ganns plugin check trimmed"]
        source.write_text(right, "utf-8")
        reader.follow(page, "It says that equal", "## 4. Train")
        reader.may_fail = set()
        reader.type("ganns plugin check trimmed")
        assert list((author.folder / "outputs/train").glob("*/samples/*.png"))

        reader.follow(page, "## 4. Train", "Start a worker in another")
        address = address_of(reader.terminal("db serve"))
        reader.replaced["postgresql://ganns_class:SECRET@127.0.0.1:5432/ganns"] = address
        other = without.start(f"GANNS_DATABASE_URL='{address}' ganns worker --name bare")  # who has not read the page
        reader.follow(page, "Start a worker in another", "| plug-in |")
        other.wait_for(r"plug-in of ganns-example==0\.1\.0, and this machine has no such plug-in\. Install", 180)
        coordinator = reader.terminal("ganns train")
        coordinator.wait_for(r"round \d+ .*images/s", after=len(coordinator.output))  # the others go on
        assert coordinator.ctrl_c() == 0

        reader.follow(page, "## 7. Exercise", "Then break them.")
        source = author.folder / "my-plugin/ganns_example/residual.py"
        change(source, "nn.Flatten()", "nn.Dropout(0.3), nn.Flatten()")
        reader.may_fail = {"ganns plugin check residual"}
        reader.follow(page, "Then break them.", "It says that the discriminator")
        assert "the discriminator draws random numbers in a pass" in reader.printed["ganns plugin check residual"]


def change(source: Path, right: str, wrong: str) -> str:
    """Let a student make a mistake in a file, in the only place that has `right`; return the text before."""
    text = source.read_text("utf-8")
    assert text.count(right) == 1
    source.write_text(text.replace(right, wrong), "utf-8")
    return text


def owners(desk: Machine, address: str) -> str:
    """Return the address with a login that owns the database, as a managed PostgreSQL has one."""
    with psycopg.connect(EmbeddedServer(Path(desk.variables["GANNS_HOME"]) / "pg").superuser_address.conninfo) as conn:
        conn.execute("CREATE ROLE owner SUPERUSER LOGIN PASSWORD 'SECRET'")  # tests/db/test_managed.py: without that
    user_and_password = re.search(r"//([^@]+)@", address)
    assert user_and_password is not None
    return address.replace(user_and_password[1], "owner:SECRET")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_levels_4_and_5(tmp_path: Path) -> None:
    """The managed PostgreSQL is `ganns db serve` here; ssh is tests/support/forward.py."""
    managed = "postgresql://owner:SECRET@db.example.org:5432/ganns?require_auth=scram-sha-256"
    tunnel = "ssh -N -L 15432:"
    with ExitStack() as stack:
        desk, friend, student = (Machine(tmp_path / name, stack) for name in ("desk", "friend", "student"))
        port, friends_port = free_port(), free_port()
        settings = {"train": f"{SMALL} {ENDLESS}", "dashboard": f"--port {free_port()}", "db_serve": f"--port {port}"}
        you, class_, students = (Reader(one, **settings) for one in (friend, desk, student))

        page = "level-4-friends.md"
        class_.follow(page, "## With a tunnel", "Each friend who has a login")
        address = address_of(class_.terminal("db serve"))
        forward = tmp_path / "bin"
        forward.mkdir()
        (forward / "ssh").write_text(f"#!/bin/sh\nexec {sys.executable} {ROOT}/tests/support/forward.py $3\n", "utf-8")
        (forward / "ssh").chmod(0o755)
        friend.variables["PATH"] = f"{forward}:{friend.variables['PATH']}"
        you.replaced = {tunnel: f"ssh -N -L {friends_port}:", ":127.0.0.1:5432 ": f":127.0.0.1:{port} "}
        you.replaced["postgresql://ganns_class:SECRET@127.0.0.1:15432/ganns"] = address.replace(
            str(port), str(friends_port)
        )
        you.follow(page, "Each friend who has a login", "And you train")
        class_.follow(page, "And you train")
        class_.terminal("ganns train").wait_for(r"round \d+ .*images/s")
        class_.ctrl_c("ganns train")
        you.ctrl_c("ganns worker")
        you.ctrl_c("ssh")

        you.replaced = {managed: owners(desk, address)}
        you.behind["ganns train"] = f"{SMALL} {ENDLESS} quorum.units=1 quorum.spares=0"
        you.follow(page, "## With a managed PostgreSQL", "Look from anywhere")
        you.terminal("ganns train").wait_for(r"round \d+ .*1 worker")
        you.follow(page, "Look from anywhere", "Press Ctrl-C in")
        assert "grace" in you.printed["ganns tasks workers"]
        you.behind["ganns train"] = "stop.rounds=1000000"
        you.follow(page, "Press Ctrl-C in", "## With a tunnel")  # its last words end the coordinator that was resumed
        you.ctrl_c("ganns worker")
        class_.ctrl_c("db serve")

        page = "level-5-class.md"
        students.replaced["postgresql://ganns_class:SECRET@192.0.2.7:5432/ganns"] = address
        class_.behind["ganns train"] = f"{SMALL} {ENDLESS} quorum.units=2 quorum.spares=0 quorum.deadline_s=2"
        class_.follow(page, "## 1. Open", "Each student pastes")
        students.follow(page, "Each student pastes", "List the workers:")
        class_.terminal("ganns train").wait_for(r"round \d+ .*2 workers")
        class_.follow(page, "List the workers:", "## 5. End")
        assert "ben" in class_.printed["ganns tasks workers"]
        assert "paus" in class_.printed["ganns runs"]
        coordinator = class_.terminal("ganns train")
        class_.follow(page, "## 5. End", "## 6. Keep")
        assert coordinator.process.wait(60) == 0
        class_.follow(page, "## 6. Keep")
        with zipfile.ZipFile(desk.folder / "class.zip") as backup:
            people, ledger = (list(csv.DictReader(StringIO(backup.read(f"{one}.csv").decode()))) for one in TABLES)
        named = {one["id"]: one["name"] for one in people}
        assert {"ada", "ben"} <= {named[one["worker_id"]] for one in ledger if one["accepted"] == "t"}
        assert (desk.folder / "model").is_dir()
