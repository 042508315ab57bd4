"""`docs/howto/install.md`: each section leads into a class, in at most five commands.

The commands are the page's, typed into one shell. What has to change is said here: the project's address is that
of this checkout as it is, pip fetches nothing (the packages are lent), and where conda or `make setup` would fetch
them too, an environment with the same packages takes their place.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from ganns.config import QuorumConfig, StopConfig
from ganns.db.address import Address
from ganns.db.connect import connect
from tests.support.coordinators import Coordinator
from tests.support.environments import OFFLINE, new_environment, served_database, snapshot
from tests.support.fakes import tiny
from tests.support.helpers import ROOT, wait_until
from tests.support.terminals import commands

PAGE = "docs/howto/install.md"
PROJECT = "https://github.com/OWNER/ganns-with-friends"
CONSTRAINTS = "https://github.com/OWNER/ganns-with-friends/raw/main/constraints.txt"
JOIN = re.compile(r"(GANNS_DATABASE_URL='postgresql://\S+' )?ganns worker --name (\w+)")
LINE = "'postgresql://ganns_class:SECRET@192.0.2.7:5432/ganns'"


def section(title: str) -> str:
    return (ROOT / PAGE).read_text("utf-8").split(f"## {title}\n")[1].split("\n## ")[0]


def path_of(title: str) -> list[str]:
    """The commands of a section, up to the one that joins."""
    lines = commands(PAGE, title)
    return lines[: next(place for place, line in enumerate(lines) if JOIN.fullmatch(line)) + 1]


@pytest.mark.parametrize("title", ["Linux and macOS", "Conda", "Dev container", "A checkout"])
def test_at_most_five_commands(title: str) -> None:
    lines = path_of(title)
    assert len(lines) <= 5
    assert not any("&&" in line or ";" in line for line in lines)


def test_every_way_of_installing_pins_the_tested_versions() -> None:
    """A newer PyTorch than the tested one is resolved otherwise."""
    page = (ROOT / PAGE).read_text("utf-8")
    lines = [line for block in re.findall(r"```\w*\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    installing = [line for line in lines if re.search(r"pip install .*git\+", line) and "--no-deps" not in line]
    assert len(installing) == 3  # Linux, uv, Windows; Colab keeps its own versions
    assert all(line.endswith(f" -c {CONSTRAINTS}") for line in installing)


def test_the_small_pytorch_is_the_tested_one_on_the_page_and_in_the_container_without_a_gpu() -> None:
    """pip replaces another version by the tested one, with NVIDIA's libraries."""
    pinned = dict(re.findall(r"^(torch|torchvision)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    wanted = f"`torch=={pinned['torch']} torchvision=={pinned['torchvision']}`"
    assert wanted in section("PyTorch without CUDA").replace("\n", " ")
    folder, variables = ROOT / ".devcontainer", []
    for file in ("compose.yml", "compose.gpu.yml"):
        variables.append(yaml.safe_load((folder / file).read_text())["services"]["app"]["environment"])
    assert variables[0]["PIP_EXTRA_INDEX_URL"].endswith("/whl/cpu")
    assert variables[1]["PIP_EXTRA_INDEX_URL"] == ""
    assert f"{pinned['torch']}+cpu" in (folder / "compose.yml").read_text()


def test_windows_is_the_same_in_other_words() -> None:
    """It cannot be followed here; what it installs and starts is what the other sections do."""
    [block] = re.findall(r"^```powershell\n(.*?)^```$", section("Windows"), re.MULTILINE | re.DOTALL)
    lines = block.splitlines()
    assert len(lines) <= 5
    assert lines[2:] == path_of("Linux and macOS")[2:]
    assert lines[3] == f"ganns join {LINE}"


def test_conda_installs_what_make_setup_does() -> None:
    """No solver of conda's is to be had from the package index, so the file is read instead."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    python, pip, packages = environment["dependencies"]
    assert environment["channels"] == ["conda-forge"]
    assert pip == "pip"
    assert python.removeprefix("python=") == project["requires-python"].removeprefix(">=")
    [setup] = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pip" in line and "install -e" in line]
    assert packages == {"pip": ["-c constraints.txt", "-e .[dev]"]}
    assert setup.strip().endswith("install -e '.[dev]' -c constraints.txt")
    assert f"conda activate {environment['name']}" in path_of("Conda")
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    wanted = {re.match(r"[\w-]+", one)[0].lower() for one in project["dependencies"]}  # type: ignore[index]
    assert wanted <= {name.lower().replace("_", "-") for name in pinned}


# -------------------------------------------------------------------------------------------------- followed for real


@contextmanager
def typed(lines: list[str], folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Type lines into one shell, in a folder with nothing in it, whose last one goes on; press Ctrl-C in the end."""
    folder.mkdir()
    log = folder / "terminal.log"
    # No environment is active, and python3 is the tests' own version.
    path = [one for one in os.environ["PATH"].split(":") if not one.startswith(sys.prefix)]
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").symlink_to(getattr(sys, "_base_executable", sys.executable))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "VIRTUAL"))}
    variables = kept | OFFLINE | {"PATH": ":".join([f"{folder}/bin", *path]), "GANNS_HOME": f"{folder}/home"}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["bash", "-e", "-c", "\n".join(lines)],
            cwd=folder,
            env=variables | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        yield process, log
    finally:
        for number in (signal.SIGINT, signal.SIGKILL):
            if process.poll() is None:
                os.killpg(process.pid, number)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    continue


def lend(environment: str, lent: Path) -> list[str]:
    """The lines that lend packages to a new environment, whose own setuptools is older than torch wants."""
    packages = f"{environment}/lib/python3*/site-packages"
    return [f"rm -r {packages}/setuptools*", f"cp {shlex.quote(str(lent))} {packages}/"]


def joins(lines: list[str], here: str, address: Address, name: str) -> list[str]:
    """The commands with this checkout as the project, and the class's own address and the worker's name."""
    folder = PROJECT.rpartition("/")[2]
    lines = [line.replace(CONSTRAINTS, str(ROOT / "constraints.txt")) for line in lines]
    lines = [line.replace(f"clone {PROJECT}", f"clone {here} {folder}").replace(PROJECT, here) for line in lines]
    assert sum(LINE in line for line in lines) == 1
    assert JOIN.fullmatch(lines[-1])
    return [
        re.sub(r"--name \w+", f"--name {name}", line.replace(LINE, shlex.quote(address.conninfo))) for line in lines
    ]


@pytest.mark.long
def test_each_section_of_the_page_joins_a_class(tmp_path: Path) -> None:
    """From a git address into a new environment; and from a checkout, as with conda and `make setup`."""
    project = snapshot(tmp_path / "project")
    lent = next((new_environment(tmp_path / "lender").parent / "lib").glob("python3*/site-packages/lent.pth"))
    with served_database() as address:
        coordinator = Coordinator(address, tiny(quorum=QuorumConfig(units=4), stop=StopConfig(rounds=1_000_000)))

        venv, activate, install, join, worker = joins(path_of("Linux and macOS"), project, address, "ada")
        native = [venv, *lend("class", lent), activate, install, join, worker]

        clone, enter, create, start, worker = joins(path_of("Conda"), project, address, "ben")
        assert (create, start) == ("conda env create -f environment.yml", "conda activate ganns")
        assert path_of("A checkout") == [
            *path_of("Conda")[:2],
            "make setup",
            "source .venv/bin/activate",
            path_of("Conda")[-1],
        ]
        build = ["python3 -m venv .venv", *lend(".venv", lent), "source .venv/bin/activate"]
        checkout = [clone, enter, *build, "pip install -c constraints.txt -e '.[dev]'", worker]

        def credited() -> set[str]:
            with connect(address) as conn:
                rows = conn.execute("SELECT DISTINCT name FROM ganns.ledger JOIN ganns.workers w ON w.id = worker_id")
                return {row[0] for row in rows}

        try:
            with typed(native, tmp_path / "ada") as (ada, one), typed(checkout, tmp_path / "ben") as (ben, other):
                wait_until(
                    lambda: credited() == {"ada", "ben"} or None not in (ada.poll(), ben.poll()),
                    200,
                    lambda: f"{credited()} to be both: {one.read_text()[-2000:]}\n---\n{other.read_text()[-2000:]}",
                    every_s=0.5,
                )
                assert credited() == {"ada", "ben"}, one.read_text()[-3000:] + other.read_text()[-3000:]
                for process in (ada, ben):
                    os.killpg(process.pid, signal.SIGINT)
                    process.wait(60)
                for log in (one, other):
                    assert "handed back" in log.read_text()
        finally:
            coordinator.stop.set()
            coordinator.thread.join(60)
    installed = [path.name for path in (tmp_path / "ada/class/lib").glob("python3*/site-packages/*.dist-info")]
    assert sorted(name.partition("-")[0] for name in installed) == ["ganns", "pip"]
    done = subprocess.run([tmp_path / "ada/class/bin/ganns", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ganns ")
