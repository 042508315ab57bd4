"""The dev container, as far as it can be tried without Docker: its files fit each other, and its steps can be taken."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from ganns.db.address import Address
from ganns.doctor.program import TOOLS
from tests.support.environments import run, snapshot
from tests.support.helpers import ROOT

FOLDER = ROOT / ".devcontainer"
VARIANTS = {"cpu": FOLDER / "devcontainer.json", "gpu": FOLDER / "gpu" / "devcontainer.json"}
every_variant = pytest.mark.parametrize("path", VARIANTS.values(), ids=VARIANTS)

# From the dev containers' and the compose specifications: what we use of them.
OF_CONTAINER = {
    "name": str,
    "dockerComposeFile": (str, list),
    "service": str,
    "workspaceFolder": str,
    "remoteUser": str,
    "postCreateCommand": str,
    "remoteEnv": dict,
    "forwardPorts": list,
    "portsAttributes": dict,
    "customizations": dict,
    "hostRequirements": dict,
}
REQUIRED = {"dockerComposeFile", "service", "workspaceFolder"}  # with compose
OF_SERVICE = {
    *("build", "image", "init", "command", "shm_size", "environment", "volumes", "depends_on", "restart"),
    *("healthcheck", "deploy"),
}


def read(path: Path) -> dict[str, Any]:
    """Read JSON with comments: a string is left alone, as it may hold //."""
    text = re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda found: found[1] or "", path.read_text("utf-8"))
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def merge(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Merge as compose does, as far as our files go."""
    both = {key: merge(one[key], other[key]) for key in one.keys() & other.keys() if isinstance(one[key], dict)}
    return one | other | both


def compose(path: Path) -> dict[str, Any]:
    """What a variant's compose files say together."""
    names = read(path)["dockerComposeFile"]
    files = [(path.parent / name).resolve() for name in ([names] if isinstance(names, str) else names)]
    assert files[0].parent == FOLDER  # relative paths are seen from the first one's folder
    found: dict[str, Any] = {}
    for file in files:
        found = merge(found, yaml.safe_load(file.read_text("utf-8")))
    return found


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, what follows), with continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", (FOLDER / "Dockerfile").read_text(), flags=re.MULTILINE))
    return [(line.split()[0], line.partition(" ")[2]) for line in text.splitlines() if line.strip()]


def packages() -> list[str]:
    """What the image installs with apt."""
    [line] = [rest for word, rest in dockerfile() if word == "RUN" and "apt-get install" in rest]
    return [word for word in line.split("apt-get install")[1].split("&&")[0].split() if not word.startswith("-")]


@every_variant
def test_the_container_is_described_in_full(path: Path) -> None:
    found = read(path)
    assert REQUIRED <= found.keys() <= OF_CONTAINER.keys()
    assert all(isinstance(value, OF_CONTAINER[key]) for key, value in found.items())
    assert found["forwardPorts"] == [8080]
    assert found["portsAttributes"].keys() == {"8080"}
    assert found["remoteEnv"]["PATH"].startswith(f"{found['workspaceFolder']}/.venv/bin:")
    [script] = re.findall(r"\S+\.sh", found["postCreateCommand"])
    assert (ROOT / script).is_file()


@every_variant
def test_the_services_fit(path: Path) -> None:
    found, described = compose(path), read(path)
    assert found.keys() == {"services", "volumes"}
    for service in found["services"].values():
        assert service.keys() <= OF_SERVICE
        assert ("build" in service) != ("image" in service)
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in found["volumes"] or (FOLDER / source).resolve() == ROOT
    app, database = found["services"][described["service"]], found["services"]["database"]
    assert (FOLDER / app["build"]["context"] / "Dockerfile").is_file()
    assert any(volume.startswith(f"..:{described['workspaceFolder']}") for volume in app["volumes"])
    assert app["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert database["healthcheck"]["test"][0] == "CMD-SHELL"
    address = conninfo_to_dict(app["environment"]["GANNS_DATABASE_URL"])
    names = {"user": "POSTGRES_USER", "password": "POSTGRES_PASSWORD", "dbname": "POSTGRES_DB"}
    assert {key: address[key] for key in names} == {key: database["environment"][name] for key, name in names.items()}
    assert (address["host"], address["port"]) == ("database", "5432")


def test_the_gpu_variant_adds_the_gpu_with_its_pytorch_and_nothing_else() -> None:
    one, other = read(VARIANTS["cpu"]), read(VARIANTS["gpu"])
    differing = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
    assert differing == {"name", "dockerComposeFile", "hostRequirements"}
    added = compose(VARIANTS["gpu"])["services"]["app"]
    [device] = added.pop("deploy")["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    plain = compose(VARIANTS["cpu"])["services"]["app"]
    assert added["environment"].pop("PIP_EXTRA_INDEX_URL") == ""
    assert plain["environment"].pop("PIP_EXTRA_INDEX_URL")
    assert added == plain


def test_the_image() -> None:
    steps = dockerfile()
    assert [word for word, _ in steps] == ["FROM", "RUN", "RUN", "USER"]
    python = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert steps[0][1].startswith(f"python:{python}-")
    user = steps[-1][1]
    assert user == read(VARIANTS["cpu"])["remoteUser"] != "root"
    assert any(word == "RUN" and "useradd" in rest and rest.endswith(user) for word, rest in steps)
    for word, rest in steps:
        if word == "RUN":
            subprocess.run(["bash", "-n", "-c", rest], check=True)
    assert {*TOOLS, "git", "postgresql-client"} == set(packages())
    # Where there is Debian's index, it knows them all.
    if shutil.which("apt-get") and any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        run("apt-get", "install", "--dry-run", "--no-install-recommends", *packages(), cwd=ROOT)


def test_what_happens_after_it_was_made(tmp_path: Path, database: Address) -> None:
    """In a clone: make says what it would install, the tables are brought up to date for real."""
    subprocess.run(["bash", "-n", FOLDER / "post-create.sh"], check=True)
    snapshot(tmp_path / "clone")
    (tmp_path / "clone" / ".venv").symlink_to(sys.prefix)
    (tmp_path / "clone" / "pyproject.toml").touch()  # newer than what the environment was made from
    said = run(
        *("bash", ".devcontainer/post-create.sh"),
        cwd=tmp_path / "clone",
        MAKEFLAGS="n",
        GANNS_DATABASE_URL=database.conninfo,
    )
    assert "pip --disable-pip-version-check install -e '.[dev]' -c constraints.txt" in said
    assert "nothing to do, it is up to date" in said
    assert said.splitlines()[-1].startswith("Ready: make demo, make test")


def test_an_environment_of_the_hosts_is_replaced(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    (clone / ".devcontainer").mkdir(parents=True)
    shutil.copy(FOLDER / "post-create.sh", clone / ".devcontainer")
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")
    (clone / ".venv" / ".ready").touch()
    (clone / "Makefile").write_text("setup:\n\tmkdir -p .venv/bin && ln -s /bin/true .venv/bin/ganns\n")
    run("bash", ".devcontainer/post-create.sh", cwd=clone)
    assert not (clone / ".venv" / ".ready").exists()
