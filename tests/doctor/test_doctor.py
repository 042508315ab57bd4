"""`ganns doctor` finds what usually goes wrong: each fault is made, and it says what to type."""

from __future__ import annotations

import re
import socket
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from psycopg import sql
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.config import Config, ImageFolderData, SyntheticData, to_dict
from ganns.coordinator.create import create_run
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.doctor import OK, PROBLEM, WARNING, Finding, _safely, examine, machine, program, speed
from ganns.doctor import database as tables
from ganns.doctor import server as way
from ganns.launch.compose import compose
from ganns.store.runs import Run
from ganns.utils.installation import install_command
from tests.support.environments import served_database
from tests.support.fakes import tiny
from tests.support.helpers import ROOT, free_port

PASSWORD = "open-sesame-42"


def doctor() -> tuple[int, str]:
    """Return its exit code, and what it printed."""
    done = CliRunner().invoke(app, ["doctor"])
    return done.exit_code, done.output


def find(subject: str) -> Finding:
    return next(one for one in examine() if one.subject == subject)


# ---------------------------------------------------------------------------------------------- the whole command


@pytest.fixture(scope="module")
def served() -> Iterator[Address]:
    """Yield a PostgreSQL that asks for a password over TCP."""
    with served_database() as address:
        yield address


def test_all_is_well(served: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(served) as conn:
        create_run(conn, tiny())
    monkeypatch.setenv("GANNS_DATABASE_URL", served.conninfo)
    code, output = doctor()
    assert code == 0, output
    assert "0 problems" in output
    password = re.search(r":([^:@]+)@", served.conninfo)
    assert password
    assert password[1] not in output
    subjects = re.findall(r"^(?:ok|warning|problem) +(\S+)", output, re.MULTILINE)
    assert subjects[-4:-2] == ["program", "images"]
    page = (ROOT / "docs/reference/commands.md").read_text("utf-8").split("## ganns doctor")[1].split("\n## ")[0]
    assert set(subjects) | {"run"} == set(re.findall(r"^\| ([\w-]+) \|", page, re.MULTILINE)) - {"subject", "option"}


def test_a_wrong_password(served: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    conninfo = re.sub(r":[^:@]+@", f":{PASSWORD}@", served.conninfo)
    monkeypatch.setenv("GANNS_DATABASE_URL", conninfo)
    code, output = doctor()
    assert code == 1
    assert re.search(r"problem +login +the password or the login is wrong\n +-> copy the line again", output)
    assert PASSWORD not in output
    assert "tables" not in output


def test_an_address_that_cannot_be_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANNS_DATABASE_URL", f"postgresql://ada:{PASSWORD}?x@db.example/ganns")
    code, output = doctor()
    assert code == 1
    assert "write @ as %40" in output
    assert PASSWORD not in output


def test_what_a_check_stumbles_over_is_a_finding() -> None:
    def check_shoes() -> Finding:
        raise ValueError("no shoes\nat all")

    found = _safely(check_shoes)
    assert (found.subject, found.state) == ("shoes", WARNING)
    assert "ValueError: no shoes" in found.said


# ---------------------------------------------------------------------------------------------- program, machine


def test_python() -> None:
    assert program.check_python((3, 11, 0)).state == OK
    assert program.check_python((3, 10, 14)).state == PROBLEM


def test_torch_and_torchvision() -> None:
    versions = {"torch": "2.14.1+cu130", "torchvision": "0.29.0"}.__getitem__
    assert program.check_pair(lambda name: ["numpy", "torch==2.14.1"], versions).state == OK
    assert program.check_pair(lambda name: None, versions).state == OK
    other = program.check_pair(lambda name: ["torch (==2.13.0)"], versions)
    assert other.state == PROBLEM
    assert "made for torch 2.13.0, and this is 2.14.1" in other.said

    def load(name: str) -> SimpleNamespace:
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return SimpleNamespace(__version__="2.14.1")

    broken = program.check_torch(load)
    assert broken.state == PROBLEM
    assert "torchvision::nms" in broken.said


def test_procrastinate_and_extras() -> None:
    assert program.check_queue(lambda name: "3.10.2").state == OK
    assert program.check_queue(lambda name: "3.11.0").state == PROBLEM
    assert program.check_extras(lambda name: object()).said == "all are installed"
    some = program.check_extras(lambda name: None if name == "nicegui" else object())
    assert some.state == OK
    assert "dashboard for `ganns dashboard`" in some.said
    assert f"type `{install_command('dashboard')}`" in some.said


def fake_torch(
    *, cuda: bool = False, mps: bool = False, says: str = "", made_for: str | None = "13.0"
) -> SimpleNamespace:
    def is_available() -> bool:
        if says:
            warnings.warn(says, UserWarning, stacklevel=2)
        return cuda

    return SimpleNamespace(
        cuda=SimpleNamespace(is_available=is_available, get_device_name=lambda: "H100"),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps)),
        version=SimpleNamespace(cuda=made_for),
    )


OLD = "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040)."


@pytest.mark.parametrize(
    ("torch", "wanted", "has_driver", "state", "said"),
    [
        (fake_torch(), "", False, OK, "cpu, "),
        (fake_torch(cuda=True), "", True, OK, "cuda: H100"),
        (fake_torch(mps=True), "", False, OK, "mps"),
        (fake_torch(cuda=True), "cpu", True, OK, "as GANNS_DEVICE says"),
        (fake_torch(cuda=True), "cuda:1", True, OK, "as GANNS_DEVICE says"),
        (fake_torch(says=OLD), "", True, WARNING, "too old"),
        (fake_torch(made_for=None), "", True, WARNING, "computes on processors only"),
        (fake_torch(), "", True, WARNING, "finds no GPU"),
        (fake_torch(says=OLD), "cuda", True, PROBLEM, "GANNS_DEVICE=cuda is not usable here. CUDA initialization"),
        (fake_torch(), "mps", False, PROBLEM, "GANNS_DEVICE=mps is not usable here."),
    ],
)
def test_device(torch: SimpleNamespace, wanted: str, has_driver: bool, state: str, said: str) -> None:
    found = machine.check_device(torch, wanted, has_driver)
    assert found.state == state
    assert said in found.said
    assert bool(found.todo) == (state != OK)


def test_memory_disk_and_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert [machine.check_memory(mb).state for mb in (0, 1024, 8192)] == [OK, WARNING, OK]
    assert [machine.check_disk(mb).state for mb in (100, 1000, 10_000)] == [PROBLEM, WARNING, OK]
    (tmp_path / "file").touch()
    for home in (tmp_path / "file" / "home", Path("/proc/self/ganns")):  # not even root may write there
        monkeypatch.setenv("GANNS_HOME", str(home))
        found = machine.check_home()
        assert found.state == PROBLEM
        assert "export GANNS_HOME" in found.todo
        assert machine.check_disk().subject == "disk"


def test_tools_of_developers() -> None:
    assert program.is_checkout()
    assert not program.is_checkout(lambda name: None)
    found = program.check_tools(lambda name: None if "chrom" in name else f"/usr/bin/{name}")
    assert (found.state, "google" in found.said) == (WARNING, False)
    assert found.todo == "on Debian: `apt-get install chromium`"
    assert program.check_tools(lambda name: f"/usr/bin/{name}").state == OK


# --------------------------------------------------------------------------------------------------- the way there


def test_names_and_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    closed = Address(f"postgresql://ada@127.0.0.1:{port}/ganns", "the test")
    assert way.check_name(closed).state == OK
    found = way.check_port(closed)
    assert (found.state, found.said) == (PROBLEM, f"127.0.0.1:{port} refuses")

    def unknown(*arguments: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(way.socket, "getaddrinfo", unknown)
    found = way.check_name(Address("postgresql://ada@desk.invalid/ganns", "the test"))
    assert found.state == PROBLEM
    assert "desk.invalid has no address here" in found.said


def test_which_servers_an_address_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def hosts(conninfo: str) -> list[tuple[str, int]]:
        return way.hosts(Address(conninfo, "the test"))

    assert hosts("postgresql://one,two:5433/ganns") == [("one", 5432), ("two", 5433)]
    assert hosts("host=/run/postgresql") == []
    monkeypatch.setenv("PGHOST", "three")
    monkeypatch.setenv("PGPORT", "5434")
    assert hosts("") == [("three", 5434)]


def test_something_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            for _ in range(3):  # the check of the port, and libpq's attempts
                try:
                    other, _ = listening.accept()
                except OSError:
                    return
                with other:
                    other.recv(100)
                    other.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        port = listening.getsockname()[1]
        monkeypatch.setenv("GANNS_DATABASE_URL", f"postgresql://ada:{PASSWORD}@127.0.0.1:{port}/ganns?sslmode=require")
        found = find("login")
    assert (found.state, found.said) == (PROBLEM, "the program that answers there is not PostgreSQL")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('connection failed: FATAL:  database "gans" does not exist', "no database of that name"),
        ("fe_sendauth: no password supplied", "asks for a password"),
        ("FATAL:  sorry, too many clients already", "no connection left"),
        ("server does not support SSL, but SSL was required", "cannot encrypt"),
        ("SSL error: certificate verify failed", "its certificate is another"),
        ("SSL error: tlsv1 alert protocol version", "TLS failed"),
        ('FATAL:  no pg_hba.conf entry for host "192.0.2.7"', "does not let this machine"),
        ("connection timeout expired", "does not answer in time"),
        ("something new", "something new"),
    ],
)
def test_what_a_server_says(text: str, said: str) -> None:
    found = way.explain(RuntimeError(text))
    assert found.state == PROBLEM
    assert said in found.said
    assert found.todo


def test_the_link_and_the_preset_that_fits(served: Address) -> None:
    with connect(served) as conn:
        found = way.check_link(conn)
        assert re.search(r"Mbit/s up, .* down, [\d.]+ images/s: a run with link=\w+ fits", found.said)
        conn.execute("SELECT 1")  # the connection is as it was
        for up, preset in ((200.0, "lan"), (10.0, "home"), (1.0, "slow")):
            found = way.check_link(conn, {"up": up, "down": 400.0}, 40.0)
            assert f"link={preset} fits" in found.said
            assert (found.state == WARNING) == (preset == "slow")
        # 3.39 MB at 400 Mbit/s, 8,192 images at 40 a second, 1.64 MB at 1 Mbit/s
        assert "0.068 s to fetch the weights, 205 s to compute 8,192 images and 13 s to send" in found.said
        assert "computing is 94% of it" in found.said


def test_a_machine_that_would_mostly_transfer_is_told() -> None:
    found = speed.judge(5.0, 5.0, 400.0)  # 5.4 s, 5.1 s, 2.6 s
    assert (found.state, "computing is 39%" in found.said) == (WARNING, True)
    assert "larger units" in str(found.todo)


def test_the_presets_are_those_of_the_configuration() -> None:
    """tests/coordinator/test_auto.py compares their bytes."""
    for one in speed.PRESETS:
        config = compose([f"link={one.name}"])
        assert config.strategy.unit_images == one.unit_images
        assert config.codec.name == ("fp32" if one.up_mb > 20 else "home")


def test_encryption_and_clock(served: Address) -> None:
    with connect(served) as conn:
        assert way.check_encryption(served, conn).said.startswith("none, and none is needed")
        far = Address(served.conninfo.replace("127.0.0.1", "192.0.2.7"), "the test")
        assert way.check_encryption(far, conn).state == WARNING
        assert way.check_clock(conn).state == OK
        found = way.check_clock(conn, ahead_s=-3600.0)
        assert (found.state, "3,600 s behind" in found.said) == (WARNING, True)


def test_notifications(served: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    assert way.check_notifications(served).said == "arrive"
    monkeypatch.setenv("GANNS_POLLING", "1")
    assert way.check_notifications(served).said.startswith("not used")


# ------------------------------------------------------------------------------------------------- what is in there


def test_tables_of_another_age(conn: Connection) -> None:
    assert tables.check_schema(conn).state == OK
    conn.execute("INSERT INTO ganns.migrations (number, name, sha256) VALUES (9999, '9999_x', repeat('0', 64))")
    newer = tables.check_schema(conn)
    assert (newer.state, "git pull" in newer.todo) == (PROBLEM, True)
    conn.execute("DELETE FROM ganns.migrations WHERE number IN (9999, 9)")
    older = tables.check_schema(conn)
    assert (older.state, "ganns db migrate" in older.todo) == (PROBLEM, True)
    assert "0009_control" in older.said
    conn.execute("DROP SCHEMA ganns CASCADE")
    assert "empty" in tables.check_schema(conn).said


def test_logins_that_may_not_work(conn: Connection, database: Address) -> None:
    assert tables.check_rights(conn).state == OK
    role = sql.Identifier(f"stranger_{conn.info.dbname}"[:60])
    conn.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(role))
    try:
        name = role.as_string(conn).strip('"')
        with connect(Address(make_conninfo(database.conninfo, user=name, password="x"), "the test")) as stranger:
            assert "may not look" in tables.check_schema(stranger).said
            found = tables.check_rights(stranger)
            assert (found.state, "search_path" in found.said) == (PROBLEM, True)
            stranger.execute("SET search_path = procrastinate, public")
            assert tables.find_open_run(stranger) is None
        conn.execute(sql.SQL("GRANT USAGE ON SCHEMA procrastinate TO {}").format(role))
        with connect(Address(make_conninfo(database.conninfo, user=name, password="x"), "the test")) as stranger:
            stranger.execute("SET search_path = procrastinate, public")
            found = tables.check_rights(stranger)
            assert found.state == PROBLEM
            assert "the schema ganns_api" in found.said
            assert "procrastinate's tables" in found.said
    finally:
        conn.execute(sql.SQL("DROP OWNED BY {}").format(role))
        conn.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_program_that_is_too_old(conn: Connection) -> None:
    row = create_run(conn, tiny())
    run = tables.find_open_run(conn)
    assert run is not None
    assert run.id == row.id
    assert tables.check_program(conn, run).state == OK
    assert "update it" in tables.check_program(conn, run, "0.0.9").todo


def run_of(config: Config, fingerprint: str) -> Run:
    return Run(7, "key", "test", to_dict(config), "open", fingerprint, 10, "digest", 0, 0)


def test_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        path = tmp_path / "mine" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (32, 32), (number, 0, 0)).save(path)
    config = tiny(data=ImageFolderData(path="/nowhere/faces", holdout=2))
    missing = tables.check_data(run_of(config, "abc"))
    assert missing.state == PROBLEM
    assert "GANNS_DATA" in missing.todo
    monkeypatch.setenv("GANNS_DATA", str(tmp_path / "mine"))
    other = tables.check_data(run_of(config, "abc"))
    assert other.state == PROBLEM
    found = re.search(r"have the fingerprint (\S+), the run's have abc", other.said)
    assert found
    assert tables.check_data(run_of(config, found[1])).state == OK
    drawn = tables.check_data(run_of(tiny(data=SyntheticData(count=41, holdout=8)), "abc"))
    assert (drawn.state, "first use" in drawn.said) == (OK, True)
