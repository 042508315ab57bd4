"""The files for a server, as far as they can be tried without Docker: they fit each other, the program and the page."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from tests.project.test_devcontainer import OF_SERVICE
from tests.project.test_docs import check_command
from tests.support.helpers import ROOT

FOLDER = ROOT / "docs/howto/deploy"
PAGE = (ROOT / "docs/howto/server.md").read_text("utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
COMPOSE = (FOLDER / "compose.yml").read_text("utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "ganns"}


def steps() -> list[tuple[str, str]]:
    """The image's instructions, with continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", (FOLDER / "Dockerfile").read_text(), flags=re.MULTILINE))
    return [(line.split()[0], line.partition(" ")[2]) for line in text.splitlines() if line.strip()]


def test_the_image_has_the_program_and_its_tested_packages() -> None:
    found = steps()
    assert found[0] == ("FROM", f"python:{PROJECT['project']['requires-python'].removeprefix('>=')}-slim-bookworm")
    installs = [rest for word, rest in found if word == "RUN" and "pip install" in rest]
    assert len(installs) == 2
    assert all("-c constraints.txt" in one for one in installs)
    for word, rest in found:
        if word == "RUN":
            subprocess.run(["bash", "-n", "-c", rest], check=True)
    extras = re.findall(r"\.\[(\w+)\]", installs[1])
    assert extras == ["dashboard"]
    assert set(extras) <= PROJECT["project"]["optional-dependencies"].keys()
    assert [rest for word, rest in found if word == "USER"] == ["ganns"]
    assert ("ENTRYPOINT", '["ganns"]') in found


def test_the_image_gets_what_the_wheel_needs_and_no_more() -> None:
    first, *lines = [one for one in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if one[0] != "#"]
    assert first == "*"
    sent = {one.removeprefix("!") for one in lines if one.startswith("!")}
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    beside = {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], "pyproject.toml", "constraints.txt"}
    assert sent == {*wheel, *beside}
    assert all((ROOT / one).exists() for one in sent)


def test_the_services_fit_each_other() -> None:
    assert SERVICES.keys() == {"database", "prepare", "dashboard", "coordinator", "worker"}
    for service in SERVICES.values():
        assert service.keys() <= OF_SERVICE | {"ports", "profiles"}
    database, build = SERVICES["database"], OURS["worker"]["build"]
    context = (FOLDER / build["context"]).resolve()
    assert (context, context / build["dockerfile"]) == (ROOT, FOLDER / "Dockerfile")
    address = conninfo_to_dict(re.sub(r"\$\{(\w+)[^}]*\}", r"\1", OURS["worker"]["environment"]["GANNS_DATABASE_URL"]))
    assert address == {
        "user": "ganns",
        "password": "GANNS_PASSWORD",
        "host": "database",
        "port": "5432",
        "dbname": "ganns",
        "sslmode": "disable",  # between containers of one machine
    }
    login = (FOLDER / "login.sh").read_text()
    subprocess.run(["bash", "-n", FOLDER / "login.sh"], check=True)
    assert f"CREATE ROLE {address['user']} LOGIN PASSWORD :'password'" in login
    assert f"CREATE DATABASE {address['dbname']} OWNER {address['user']}" in login
    assert "GANNS_PASSWORD" in database["environment"]
    assert "SUPERUSER" not in login
    for volume in (*database["volumes"], *OURS["coordinator"]["volumes"]):
        source, place = volume.split(":")[:2]
        assert source in yaml.safe_load(COMPOSE)["volumes"] or (FOLDER / source).is_file(), source
        assert place.startswith(("/var/lib", "/docker-entrypoint")) or ("VOLUME", place) in steps()
    for name, service in OURS.items():
        condition = "service_healthy" if name == "prepare" else "service_completed_successfully"
        assert [one["condition"] for one in service["depends_on"].values()] == [condition]


def test_no_password_is_written_and_the_page_makes_each() -> None:
    wanted = set(re.findall(r"\$\{(\w+)", COMPOSE))
    assert wanted == {"GANNS_PASSWORD", "POSTGRES_PASSWORD", "GANNS_DASHBOARD_PASSWORD"}
    made = set(re.findall(r'^echo "(\w+)=\$\(openssl rand -hex 12\)" >>? \.env$', PAGE, re.MULTILINE))
    assert made == wanted
    assert SERVICES["dashboard"]["environment"].keys() == {"GANNS_DATABASE_URL", "GANNS_DASHBOARD_PASSWORD"}
    ignored = subprocess.run(["git", "check-ignore", "-q", FOLDER / ".env"], cwd=ROOT)
    assert ignored.returncode == 0, "git must not take up the file with the passwords"


@pytest.mark.parametrize("name", OURS)
def test_what_a_service_runs_is_a_command(name: str) -> None:
    check_command(shlex.split(OURS[name]["command"]))


def test_the_pages_lines_are_commands_of_services_and_units_that_exist() -> None:
    for service, command in re.findall(r"docker compose run (\w+) ?([^`\n]*)", PAGE):
        assert service in OURS
        check_command(shlex.split(command or OURS[service]["command"]))
    units = dict(re.findall(r"`/etc/ganns/([a-z]+)\.env`[^\n]*?\n?\n?(?:```text\n)?[^\n]*?ARGUMENTS=([^`\n]+)", PAGE))
    assert units.keys() == {"db", "dashboard", "worker", "train"}
    for arguments in units.values():
        check_command(shlex.split(arguments))
    assert set(re.findall(r"ganns@(\w+)", PAGE)) <= units.keys() | {"NAME"}


def test_the_unit(tmp_path: Path) -> None:
    text = (FOLDER / "ganns@.service").read_text("utf-8")
    unit = ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(text)
    service = unit["Service"]
    program = service["ExecStart"].split()[0]
    assert f"sudo python3 -m venv {Path(program).parent.parent}" in PAGE
    assert service["KillSignal"] == "SIGINT"
    assert service["Environment"].startswith(f"GANNS_HOME={service['WorkingDirectory']}/")
    assert f"--home-dir /var/lib/{service['StateDirectory']} {service['User']}" in PAGE
    if shutil.which("systemd-analyze"):
        there = tmp_path / "ganns@worker.service"
        there.write_text(text.replace(program, sys.executable))
        done = subprocess.run(["systemd-analyze", "verify", there], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
