"""The order in which a database's address is looked for, and that its password is never shown."""

from __future__ import annotations

import traceback

import pytest

from ganns.cli import app as application
from ganns.db import address
from ganns.db.address import Address, require, resolve
from ganns.db.choose import any_database
from ganns.db.connect import connect
from ganns.errors import ConfigError, DatabaseUnreachable, NoDatabaseAddress

SECRET = "open-sesame"
URL = f"postgresql://ada:{SECRET}@db.example:6543/class"


@pytest.fixture(autouse=True)
def _no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (address.URL_VARIABLE, *address.PG_VARIABLES, "PGUSER", "PGPORT", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_named_database() -> None:
    assert resolve() is None


def test_the_order_is_explicit_then_url_then_pg_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "pg.example")
    found = resolve()
    assert found == Address("", "PGHOST (the PG* variables)")
    monkeypatch.setenv("GANNS_DATABASE_URL", URL)
    assert resolve() == Address(URL, "GANNS_DATABASE_URL")
    assert resolve("host=third.example") == Address("host=third.example", "given explicitly")


@pytest.mark.parametrize("name", address.PG_VARIABLES)
def test_each_variable_that_names_a_server_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    found = resolve()
    assert found is not None
    assert found.source == f"{name} (the PG* variables)"


def test_a_lone_user_or_password_names_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGUSER", "ada")
    monkeypatch.setenv("PGPASSWORD", SECRET)
    assert resolve() is None


def test_an_empty_variable_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANNS_DATABASE_URL", "")
    monkeypatch.setenv("PGHOST", "")
    assert resolve() is None


def test_coordinators_fall_back_to_the_embedded_server_and_workers_do_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("GANNS_HOME", str(tmp_path))
    with pytest.raises(NoDatabaseAddress, match=r"neither GANNS_DATABASE_URL nor PGHOST, .* is set\. .*export GANNS_"):
        require()
    with pytest.raises(NoDatabaseAddress, match=r"`ganns db init`"), any_database(create=False):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("conninfo", "shown"),
    [
        (URL, "ada@db.example:6543/class"),
        (f"host=db.example user=ada password={SECRET}", "ada@db.example:5432"),
        (f"postgresql://ada@/class?host=/var/run&password={SECRET}", "ada@/var/run:5432/class"),
        ("hostaddr=10.0.0.7 dbname=class", "10.0.0.7:5432/class"),
        ("service=school", "service school:5432"),
        ("", "the local socket:5432"),
    ],
)
def test_an_address_is_shown_without_its_password(conninfo: str, shown: str) -> None:
    found = Address(conninfo, "a test")
    assert str(found) == shown
    assert repr(found) == "Address(source='a test')"
    assert SECRET not in f"{found!s} {found!r} {found}"


def test_the_pg_variables_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOST": "pg.example", "PGPORT": "7", "PGUSER": "eve", "PGDATABASE": "d"}.items():
        monkeypatch.setenv(name, value)
    assert str(resolve()) == "eve@pg.example:7/d"


@pytest.mark.parametrize(
    "conninfo",
    [
        "open-sesame",
        "postgresql://ada:open-sesame%zz@h/d",
        "postgresql://ada:open-sesame x@h/d",
        "mysql://ada:open-sesame@h/d",
    ],
)
def test_an_unreadable_address_is_not_quoted(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANNS_DATABASE_URL", conninfo)
    with pytest.raises(ConfigError, match=r"GANNS_DATABASE_URL.* looks like postgresql://") as raised:
        resolve()
    assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("password", ["it@open-sesame", "x/open-sesame", "1/open-sesame", "@", "/"])
def test_a_password_that_libpq_takes_for_a_host_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(ConfigError, match=r"write @ as %40, / as %2F") as raised:
        resolve(f"postgresql://ada:{password}@db.example/class")
    assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("host", ["...", "192.0..2.7", "a" * 70 + ".example.org"])
def test_a_host_that_cannot_be_one_is_a_sentence(host: str) -> None:
    with pytest.raises(ConfigError, match=r"names '.*', which cannot be a host: copy the whole line") as raised:
        resolve(f"postgresql://me:open-sesame@{host}:5432/ganns")
    assert "sesame" not in str(raised.value)
    assert host in str(raised.value)


def test_quoted_characters_several_hosts_and_socket_folders_are_fine() -> None:
    for conninfo in (
        "postgresql://ada:p%40w%2Fd@h/d",
        "postgresql://ada:pw@a:1,b:2/d",
        "postgresql://ada@/d?host=/tmp/a@b",
        "host=h password='a@b/c'",
    ):
        assert resolve(conninfo) == Address(conninfo, "given explicitly")


def test_an_unreachable_server_is_named_with_host_and_port(unused_port: int) -> None:
    there = Address(f"postgresql://ada:{SECRET}@127.0.0.1:{unused_port}/class", "GANNS_DATABASE_URL")
    with pytest.raises(DatabaseUnreachable) as raised:
        connect(there)
    text = str(raised.value)
    assert f"ada@127.0.0.1:{unused_port}/class (from GANNS_DATABASE_URL)" in text
    assert "ganns db status" in text
    assert "\n" not in text
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_the_command_line_does_not_show_the_password(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setenv("GANNS_DATABASE_URL", f"postgresql://nobody:{SECRET}@127.0.0.1:1/nowhere")
    monkeypatch.setattr("sys.argv", ["ganns", "runs"])
    with pytest.raises(SystemExit) as stopped:
        application.main()
    assert stopped.value.code == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("Error: Cannot connect to the database nobody@127.0.0.1:1/nowhere")
    assert SECRET not in shown.out + shown.err
