"""The order in which a database's address is looked for, and that its password is never shown."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from ganns.cli import app as application
from ganns.db import address, joined
from ganns.db.address import Address, require, resolve
from ganns.db.choose import any_database
from ganns.db.connect import connect
from ganns.errors import ConfigError, DatabaseUnreachable, GannsError, NoDatabaseAddress

SECRET = "open-sesame"
URL = f"postgresql://ada:{SECRET}@db.example:6543/class"


@pytest.fixture(autouse=True)
def _no_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "no home"))
    for name in (address.URL_VARIABLE, *address.PG_VARIABLES, "PGUSER", "PGPORT", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_named_database() -> None:
    assert resolve() is None


def test_the_order_is_explicit_then_url_then_pg_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "pg.example")
    found = resolve()
    assert found == Address("sslmode=require", "PGHOST (the PG* variables)")
    monkeypatch.setenv("GANNS_DATABASE_URL", URL)
    assert resolve() == Address(f"{URL}?sslmode=require", "GANNS_DATABASE_URL")
    assert resolve("host=third.example") == Address("host=third.example sslmode=require", "given explicitly")


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
    with pytest.raises(NoDatabaseAddress, match=r"neither GANNS_DATABASE_URL nor PGHOST, .* set, .*ganns join 'post"):
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


GIVEN = "postgresql://ada:open-sesame@db.example:6543/class"


@pytest.mark.parametrize(
    "text",
    [
        f"  {GIVEN}\r\n",
        f"'{GIVEN}'",
        f"\u201c{GIVEN}\u201d",
        f"psql '{GIVEN}'",
        f"psql {GIVEN}",
        f"export GANNS_DATABASE_URL={GIVEN}",
        f"GANNS_DATABASE_URL='{GIVEN}' ganns worker --name ada",
        GIVEN.replace("@", "@\n  "),
        GIVEN.replace("postgresql", "postgres"),
        GIVEN.replace("postgresql", "postgresql+psycopg"),
        f"{GIVEN}?pgbouncer=true&connection_limit=1",
    ],
)
def test_what_people_paste_is_understood(text: str) -> None:
    found = resolve(text)
    assert found is not None
    assert found.conninfo == f"{GIVEN}?sslmode=require"


PAIRS = "host=db.example user=ada password='open sesame' dbname=class"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"'{GIVEN}' ganns worker --name ada@home", conninfo_to_dict(GIVEN)),
        (f"{GIVEN} ganns worker --name ada@home", conninfo_to_dict(GIVEN)),
        (f"{GIVEN}\n  ganns worker", conninfo_to_dict(GIVEN)),
        (f"ganns join '{GIVEN}'", conninfo_to_dict(GIVEN)),
        (f"$ ganns join {GIVEN}", conninfo_to_dict(GIVEN)),
        (f"ganns join '{GIVEN}' && ganns worker", conninfo_to_dict(GIVEN)),
        (f'ganns join "{PAIRS}"', conninfo_to_dict(PAIRS)),
        (f'"{PAIRS}" ganns worker', conninfo_to_dict(PAIRS)),
        (f"{PAIRS} ganns worker --name ada", conninfo_to_dict(PAIRS)),
        (f"{PAIRS} pgbouncer=true connection_limit='1'", conninfo_to_dict(PAIRS)),
        (f"{PAIRS} ssl=true", conninfo_to_dict(PAIRS)),
        (f'psql "{PAIRS}"', conninfo_to_dict(PAIRS)),
        ("host = h  password=50% dbname= x", {"host": "h", "password": "50%", "dbname": "x"}),
        ("host=h password=a://b", {"host": "h", "password": "a://b"}),
        ("host=h password=a\\ b", {"host": "h", "password": "a b"}),
        ("psql -h db.example -U ada -d class", {"host": "db.example", "user": "ada", "dbname": "class"}),
        (
            "psql -hdb.example -p 6543 -W class ada",
            {"host": "db.example", "port": "6543", "dbname": "class", "user": "ada"},
        ),
        ("psql --host=db.example --username ada", {"host": "db.example", "user": "ada"}),
        (
            "PGPASSWORD='open sesame' psql -h db.example -U ada class",
            {"password": "open sesame", "host": "db.example", "user": "ada", "dbname": "class"},
        ),
        (f"psql -d '{GIVEN}'", conninfo_to_dict(GIVEN)),
    ],
)
def test_lines_of_shells_and_of_other_programs_are_understood(text: str, parts: dict[str, str]) -> None:
    found = resolve(text)
    assert found is not None
    assert conninfo_to_dict(found.conninfo) == parts | {"sslmode": "require"}


@pytest.mark.parametrize(
    "password", ["it@x", "x/y", "1/2", "@", "/", "50%", "50%zz", "a b", "a:b", "p%40w", "a#b", "\u00e9"]
)
def test_any_password_reaches_the_server(password: str) -> None:
    found = resolve(f"postgresql://ada:{password}@db.example/class?sslmode=require")
    assert found is not None
    parts = conninfo_to_dict(found.conninfo)
    assert parts == {
        "user": "ada",
        "password": password.replace("%40", "@"),
        "host": "db.example",
        "dbname": "class",
        "sslmode": "require",
    }


def test_other_programs_words_for_tls_are_understood() -> None:
    for query, mode in {"ssl=true": "require", "sslmode=no-verify": "require", "ssl=false": "disable"}.items():
        found = resolve(f"{GIVEN}?{query}")
        assert found is not None
        assert conninfo_to_dict(found.conninfo)["sslmode"] == mode


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("open-sesame", "is not a PostgreSQL connection string; it looks like postgresql://"),
        ("postgresql://me:50%80open-sesame@db.example/x", r"has a code like %80 that is no text: write .* as %25"),
        ("mysql://ada:open-sesame@h/d", "begins with mysql://, which is not PostgreSQL; it looks like postgresql://"),
        (f"{GIVEN}?sslmoed=require", "has the parameter 'sslmoed', which PostgreSQL does not know: leave out sslmoed="),
        ("postgresql://ada:x?open-sesame=1@h/d", "write @ as %40, .* and % as %25"),
        ("postgresql://ada/open-sesame@h/d", "write @ as %40"),
        ("host=h sslmoed=require password=open-sesame", "has the parameter 'sslmoed', which PostgreSQL does not know"),
        ("host=h password=open-sesame sslmoed=require", "has the parameter 'sslmoed', which PostgreSQL does not know"),
        (
            "host=h password=50% open-sesame",
            r"behind the value of password that is no key=value: write password='\.\.\.'",
        ),
        ("host=h password=50% open-sesame=1", r"behind the value of password that is no key=value"),
        ("host=h password='open-sesame", r"behind the value of host that is no key=value"),
        ("host=h;password=open-sesame", "has ; or = in the host's name: write host="),
        ("psql -h h -c open-sesame", "has -c behind psql, which names no server: leave it out"),
        ("PGPASSWORD=open-sesame psql --nope=open-sesame", "has --nope behind psql"),
        ("PGPASSWORD='open-sesame psql -h h", "has a quote without its partner"),
        ("postgresql://ada:x@h:open-sesame/d", "write @ as %40"),
    ],
)
def test_what_cannot_be_understood_is_named_without_the_password(text: str, says: str, monkeypatch) -> None:
    monkeypatch.setenv("GANNS_DATABASE_URL", text)
    with pytest.raises(ConfigError, match=says) as raised:
        resolve()
    assert "GANNS_DATABASE_URL" in str(raised.value)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


@given(
    text=st.one_of(
        st.text(), st.text().map("postgresql://{}".format), st.text().map("postgresql://a:open-sesame@{}".format)
    )
)
def test_no_text_raises_anything_but_our_error(text: str) -> None:
    try:
        resolve(text)
    except GannsError as error:
        said = "".join(traceback.format_exception(error))
    else:
        said = ""
    assert SECRET not in said


@pytest.mark.parametrize("host", ["...", "192.0..2.7", "a" * 70 + ".example.org"])
def test_a_host_that_cannot_be_one_is_a_sentence(host: str) -> None:
    with pytest.raises(ConfigError, match=r"names '.*', which cannot be a host: copy the whole line") as raised:
        resolve(f"postgresql://me:open-sesame@{host}:5432/ganns")
    assert "sesame" not in str(raised.value)
    assert host in str(raised.value)


def test_quoted_characters_several_hosts_and_socket_folders_are_fine() -> None:
    for conninfo in (
        "postgresql://ada:p%40w%2Fd@h/d?sslmode=require",
        "postgresql://ada:pw@a:1,b:2/d?sslmode=require",
        "postgresql://ada@/d?host=/tmp/a@b",
        "host=h password='a@b/c' sslmode=require",
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


# The address that `ganns join` stored -----------------------------------------------------------------------


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def ganns(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["ganns", *words])
    with pytest.raises(SystemExit) as end:
        application.main()
    assert isinstance(end.value.code, int)
    return end.value.code


def test_join_stores_the_address_for_every_command_and_leave_forgets_it(
    home: Path, database: Address, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ganns(monkeypatch, "join", "GANNS_DATABASE_URL=" + URL, "ganns", "worker") == 0
    said = capsys.readouterr().out
    assert "ada@db.example:6543/class" in said
    assert SECRET not in said
    file = home / "joined"
    assert file.stat().st_mode & 0o777 == 0o600
    assert resolve() == Address(f"{URL}?sslmode=require", "`ganns join`")
    assert ganns(monkeypatch, "join", database.conninfo) == 0  # another class: one file, replaced
    assert [path.name for path in home.iterdir()] == ["joined"]
    assert "It answers" in capsys.readouterr().out
    assert ganns(monkeypatch, "runs") == 0
    out, err = capsys.readouterr()
    assert "database: " in err
    assert "database: " not in out
    assert ganns(monkeypatch, "leave") == 0
    assert resolve() is None
    assert ganns(monkeypatch, "leave") == 0


@pytest.mark.parametrize(
    "line",
    [
        *("runs", "runs audits 1", "runs pause 1", "top --once", "compare 1 2", "evaluate", "export", "sample"),
        *("replay 1@0", "verify 1/0/0", "tasks ping", "tasks workers", "students list", "credit", "db status"),
        *("db audit", "doctor"),
    ],
)
def test_a_command_uses_the_stored_address_and_says_so(
    line: str, home: Path, database: Address, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever becomes of it: there is no run in this database."""
    joined.store(database.conninfo)
    monkeypatch.chdir(home)
    ganns(monkeypatch, *line.split())
    out, err = capsys.readouterr()
    assert "(from `ganns join`)" in out + err
    assert "There is no embedded" not in err


def test_variables_come_before_the_stored_address(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joined.store(URL)
    monkeypatch.setenv("PGSERVICE", "class")
    assert resolve() == Address("", "PGSERVICE (the PG* variables)")
    monkeypatch.setenv("GANNS_DATABASE_URL", "host=first.example")
    assert resolve() == Address("host=first.example sslmode=require", "GANNS_DATABASE_URL")


def test_what_cannot_be_stored_is_a_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ganns(monkeypatch, "join", "mysql://ada:open-sesame@db.example/class") == 2
    assert SECRET not in capsys.readouterr().err
    home.mkdir()
    (home / "joined").mkdir()  # a folder where the file should be
    (home / "joined" / "full").touch()
    assert ganns(monkeypatch, "join", URL) == 2
    assert "GANNS_HOME" in capsys.readouterr().err


def test_the_owners_service_and_password_files_are_read(
    database: Address, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """libpq reads them; we must not stand in the way."""
    parts = {key: value for key, value in conninfo_to_dict(database.conninfo).items() if key != "password"}
    (tmp_path / "services").write_text("[class]\n" + "".join(f"{key}={value}\n" for key, value in parts.items()))
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGSERVICE", "class")
    with connect(require()) as conn:
        assert conn.info.dbname == parts["dbname"]
    monkeypatch.delenv("PGSERVICE")
    passwords = tmp_path / "passwords"
    passwords.write_text(f"db.example:6543:class:ada:{SECRET}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    assert read_password("postgresql://ada@db.example:6543/class?hostaddr=127.0.0.1") == SECRET


def read_password(conninfo: str) -> str:
    """Return what libpq would send: it reads its files before it connects."""
    conn = pq.PGconn.connect_start(conninfo.encode())
    try:
        return conn.password.decode()
    finally:
        conn.finish()
