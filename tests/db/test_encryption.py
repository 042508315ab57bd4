"""Which connections are encrypted, with whose certificate: what an address becomes for libpq."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from ganns.db.address import URL_VARIABLE, resolve
from ganns.db.certificate import parameter
from ganns.db.conninfo import understand
from ganns.db.encryption import verified, weakness
from ganns.db.invitation import for_others, join_url
from ganns.db.server.own_certificate import own_certificate
from ganns.errors import ConfigError, GannsError

SECRET = "open-sesame"
AT_HOME = f"postgresql://ada:{SECRET}@127.0.0.1:5432/ganns"
AWAY = f"postgresql://ada:{SECRET}@db.example:5432/ganns"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))  # no ~/.postgresql/root.crt of the person who runs the tests
    for name in ("PGSSLMODE", "PGSSLROOTCERT", "PGHOST", "PGHOSTADDR", "PGSERVICE", URL_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture(scope="module")
def der(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return own_certificate(tmp_path_factory.mktemp("server"))


def parts(text: str) -> dict[str, str]:
    found = resolve(text)
    assert found is not None
    return {name: str(value) for name, value in conninfo_to_dict(found.conninfo).items()}


@pytest.mark.parametrize(
    ("address", "mode"),
    [
        (AT_HOME, None),
        ("host=localhost dbname=ganns", None),
        ("postgresql://ada@[::1]/ganns", None),
        ("postgresql://ada@/ganns?host=/run/postgresql", None),
        ("dbname=ganns", None),
        (AWAY, "require"),
        ("host=db.example dbname=ganns", "require"),
        ("host=localhost,db.example dbname=ganns", "require"),
        ("host=localhost hostaddr=192.0.2.7 dbname=ganns", "require"),
        (f"{AWAY}?sslmode=prefer", "require"),
        (f"{AWAY}?sslmode=allow&connect_timeout=3", "require"),
        (f"{AWAY}?sslmode=require", "require"),
        (f"{AWAY}?sslmode=disable", "disable"),
        (f"{AWAY}?ssl=false", "disable"),
        (f"{AWAY}?sslmode=verify-full", "verify-full"),
        (f"{AWAY}?sslrootcert=system", "verify-full"),
        ("service=school", None),  # its file may say more than we would
    ],
)
def test_what_leaves_the_machine_is_encrypted_unless_a_person_says_otherwise(address: str, mode: str | None) -> None:
    assert parts(address).get("sslmode") == mode


@pytest.mark.parametrize("query", ["sslmode=verify-full", "sslmode=verify-ca", "sslrootcert=system"])
def test_a_provider_is_checked_with_roots_that_exist(query: str) -> None:
    """psycopg's own OpenSSL looks for `system` where no machine has anything."""
    roots = Path(parts(f"{AWAY}?{query}")["sslrootcert"])
    assert "BEGIN CERTIFICATE" in roots.read_text("utf-8")
    assert parts(f"{AWAY}?sslmode=verify-full&sslrootcert=/own.crt")["sslrootcert"] == "/own.crt"


def test_the_pg_variables_are_no_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    found = resolve()
    assert found is not None
    assert found.conninfo == "sslmode=require"
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    found = resolve()
    assert found is not None
    assert "sslmode" not in conninfo_to_dict(found.conninfo)
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    assert resolve() == type(found)("", "PGHOST, PGHOSTADDR (the PG* variables)")


def test_the_file_of_a_service_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "services").write_text("[a]\nhost=db.example\n[b]\nhost=db.example\nsslmode=verify-full\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    for name, added in (("a", "require"), ("b", None), ("nothing", None)):
        monkeypatch.setenv("PGSERVICE", name)
        found = resolve()
        assert found is not None
        assert conninfo_to_dict(found.conninfo).get("sslmode") == added


def test_the_certificate_of_the_line_is_the_only_one_that_counts(der: bytes, home: Path) -> None:
    line = join_url("ada", SECRET, host="192.0.2.7", port=5432, database="ganns", certificate=der)
    found = parts(f"GANNS_DATABASE_URL='{line}' ganns worker")
    assert found["sslmode"] == "verify-ca"
    assert found["require_auth"] == "scram-sha-256"
    file = Path(found["sslrootcert"])
    assert file.parent.parent == home
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert parts(line)["sslrootcert"] == str(file)
    file.write_text("something else", "utf-8")
    assert "BEGIN CERTIFICATE" in Path(parts(line)["sslrootcert"]).read_text("utf-8")
    # Also on this machine, also with a mode that asks for less, and however it is written.
    for other in (
        f"{AT_HOME}?{parameter(der)}&sslmode=disable",
        f"{AT_HOME}?connect_timeout=3&{parameter(der)}",
        f"host=127.0.0.1 {parameter(der)} user=ada",
        f"host=127.0.0.1 user=ada {parameter(der)}",
    ):
        assert parts(other)["sslmode"] == "verify-ca"
        assert parts(other)["user"] == "ada"
        assert parts(other)["sslrootcert"] == str(file)


def test_a_program_of_before_can_leave_the_certificate_out(der: bytes) -> None:
    """It says of the parameter: leave it out. Then the address still works, encrypted, as libpq prefers."""
    line = join_url("ada", SECRET, host="192.0.2.7", port=5432, database="ganns", certificate=der)
    assert line.endswith(parameter(der))
    without = conninfo_to_dict(line.removesuffix(f"&{parameter(der)}"))
    assert "sslmode" not in without


@pytest.mark.parametrize("lost", [1, 4, 100, 370])
def test_a_line_that_was_cut_off_says_so_and_not_its_password(der: bytes, lost: int) -> None:
    line = join_url("ada", SECRET, host="192.0.2.7", port=5432, database="ganns", certificate=der)
    with pytest.raises(ConfigError, match="copy the whole line") as raised:
        resolve(line[:-lost])
    assert SECRET not in str(raised.value)


@given(st.text(max_size=60))
def test_no_certificate_is_anything_but_one_or_an_error_of_ours(text: str) -> None:
    said = ""
    try:
        resolve(f"{AT_HOME}?ganns_cert={text}")
    except GannsError as error:
        said = str(error)
    assert SECRET not in said


def test_a_home_that_cannot_be_written_to_does_not_keep_a_worker_out(
    der: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "file"))
    file = Path(parts(f"{AT_HOME}?{parameter(der)}")["sslrootcert"])
    assert "BEGIN CERTIFICATE" in file.read_text("ascii")
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_line_for_a_login_holds_any_login_and_password() -> None:
    for login, password in (("student_1", "p@s/s:w?r#d%"), ("zo\u00eb", "a b&c=d")):
        line = join_url(login, password, host="fe80::1", port=6, database="ganns", certificate=None)
        found = parts(line)
        assert (found["user"], found["password"], found["host"]) == (login, password, "fe80::1")


def test_what_an_owner_hands_on_needs_no_file_of_the_owners_machine(der: bytes) -> None:
    place = {"host": "db.example", "port": 5432, "database": "ganns"}
    for address, mode, roots in (
        (f"{AWAY}?sslmode=verify-full", "verify-full", parts(f"{AWAY}?sslmode=verify-full")["sslrootcert"]),
        (AWAY, "require", None),
        (f"{AWAY}?sslmode=verify-full&sslrootcert=/own.crt", "verify-full", "/own.crt"),
        (f"{AWAY}?{parameter(der)}", "verify-ca", parts(f"{AWAY}?{parameter(der)}")["sslrootcert"]),
    ):
        certificate, more = for_others(parts(address))
        line = join_url("student", SECRET, **place, certificate=certificate, more=more)  # type: ignore[arg-type]
        assert ("sslrootcert" in line) == (roots == "/own.crt")
        found = parts(line)
        assert (found["user"], found["sslmode"], found.get("sslrootcert")) == ("student", mode, roots)


def test_join_asks_a_provider_for_more_and_says_what_is_missing() -> None:
    for address in (AWAY, f"{AWAY}?sslmode=require", f"{AWAY}?sslmode=prefer"):
        better = verified(understand(address, "a test"))
        assert better is not None
        assert parts(better)["sslmode"] == "verify-full"
        weak = weakness(resolve(address).conninfo)  # type: ignore[union-attr]
        assert weak is not None
        assert "nothing proves that this is the right server" in weak
        assert weakness(resolve(better).conninfo) is None  # type: ignore[union-attr]
    for address in (AT_HOME, f"{AWAY}?sslmode=disable", f"{AWAY}?sslrootcert=/own.crt", f"{AWAY}?sslmode=verify-ca"):
        assert verified(understand(address, "a test")) is None
    assert "not encrypted" in (weakness(f"{AWAY}?sslmode=disable") or "")
    assert weakness(AT_HOME) is None


def test_the_key_is_only_the_owners_and_is_made_once(tmp_path: Path) -> None:
    first = own_certificate(tmp_path)
    assert own_certificate(tmp_path) == first
    [file] = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "PRIVATE KEY" in file.read_text("ascii")
    file.unlink()
    assert own_certificate(tmp_path) != first
