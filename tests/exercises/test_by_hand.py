"""Exercise 3 by hand: the tables of its page, typed into two psql sessions, as two students do it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.server.embedded import EmbeddedServer
from ganns.db.server.programs import BIN_VARIABLE, program_path
from ganns.errors import ConfigError, ResourceMissing
from ganns.exercises import by_hand
from tests.exercises.pupil import starter
from tests.support.helpers import ROOT, wait_until

PAGE = ROOT / "docs" / "exercises" / "3-exactly-once.md"
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bob' AND wait_event_type = 'Lock'"
LOADED = "\\i exactly_once_tables.sql\n\\i exactly_once.sql\n"


class Terminal:
    """One psql, which gets lines and gives answers."""

    def __init__(self, words: list[str], folder: Path, variables: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            words, cwd=folder, env=variables, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def write(self, lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{lines}\n\\echo {self._end}\n")

    def read(self) -> str:
        assert self.process.stdout is not None
        found = []
        while (line := self.process.stdout.readline()).strip() != self._end:
            assert line, f"psql ended: {''.join(found)}"
            found.append(line)
        return "".join(found)

    def type(self, lines: str) -> str:
        self.write(lines)
        return self.read()

    def close(self) -> None:
        """End it, also if it has ended."""
        with self.process, suppress(BrokenPipeError, ValueError):
            self.process.communicate("\\q\n", timeout=30)

    _end = "--answered--"


@contextmanager
def psql(name: str, address: Address, folder: Path) -> Iterator[Terminal]:
    words = by_hand.command(program_path("psql"), address, name)
    terminal = Terminal(words, folder, by_hand.variables(name))
    try:
        yield terminal
    finally:
        terminal.close()


def rows(number: int) -> list[tuple[str, str]]:
    """Return a table of the page: in each row, the statement of Ada and that of Bob, or "" for none."""
    text = PAGE.read_text().split("## Break it by hand")[1].split("## Repair it")[0]
    table = re.findall(r"\| Ada \| Bob \|\n\|---\|---\|\n((?:\|.*\n)+)", text)[number]
    cells = [line.split("|")[1:3] for line in table.splitlines()]
    return [(_statement(ada), _statement(bob)) for ada, bob in cells]


def _statement(cell: str) -> str:
    found = re.search(r"`([^`]*;)`", cell)
    return found[1] if found else ""


@pytest.fixture
def sessions(address: Address, tmp_path: Path) -> Iterator[tuple[Terminal, Terminal]]:
    starter(3, tmp_path)
    with psql("ada", address, tmp_path) as ada, psql("bob", address, tmp_path) as bob:
        assert "ERROR" not in ada.type(LOADED)
        yield ada, bob


def test_the_claim_of_the_page_gives_both_the_same_job(sessions: tuple[Terminal, Terminal], address: Address) -> None:
    ada, bob = sessions
    begin, (claim, _), (_, bobs), (commit, which) = rows(0)
    assert (begin, commit, which) == (("BEGIN;", ""), "COMMIT;", "")
    ada.type("BEGIN;")
    assert re.search(r"1 \| +1", ada.type(claim))
    bob.write(bobs)
    with connect(address) as conn:
        wait_until(lambda: _waits(conn), what="bob to wait, as the page says")
    ada.type(commit)
    assert re.search(r"1 \| +2", bob.read())


def test_the_sleeper_of_the_page_leaves_two_results(sessions: tuple[Terminal, Terminal]) -> None:
    ada, bob = sessions
    said = ""
    played = rows(1)
    assert len(played) == 6
    for adas, bobs in played:
        said = ada.type(adas) if adas else bob.type(bobs)
        assert "ERROR" not in said
    assert "from ada" in said
    assert "from bob" in said
    assert "ERROR" not in ada.type("DROP SCHEMA exercise CASCADE;")


def _waits(conn: Connection) -> bool:
    row = conn.execute(WAITS).fetchone()
    return row is not None and row[0] == 1


def test_a_name_that_the_prompt_would_read_and_programs_without_psql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("", "a b", "%[%]", "a" * 21):
        with pytest.raises(ConfigError, match="one short word"):
            by_hand.run_psql(name)
    (tmp_path / "initdb").touch()
    monkeypatch.setenv(BIN_VARIABLE, str(tmp_path))
    with pytest.raises(ResourceMissing, match="There is no psql in"):
        by_hand.run_psql("ada")


def test_a_variable_of_the_user_names_no_other_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "class")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=ganns")
    assert {key: value for key, value in by_hand.variables("ada").items() if key.startswith("PG")} == {
        "PGAPPNAME": "ada"
    }


@pytest.mark.slow
def test_two_commands_share_one_server_which_ends_with_the_last(tmp_path: Path) -> None:
    home = tmp_path / "home"
    variables = os.environ | {"GANNS_HOME": str(home)}
    starter(3, tmp_path)
    ada, bob = (
        Terminal([sys.executable, "-m", "ganns", "exercise", "psql", name], tmp_path, variables)
        for name in ("ada", "bob")
    )
    try:
        assert "ERROR" not in ada.type(LOADED)
        assert re.search(r"1 \| +1", bob.type("SELECT * FROM exercise.claim('bob');"))
        ada.process.send_signal(signal.SIGINT)  # to the command alone: it is psql's to answer
        assert "by_hand" in ada.type("SELECT current_database();")
        ada.close()
        assert "1 row" in bob.type("SELECT * FROM exercise.claim('bob');")
    finally:
        ada.close()
        bob.close()
    assert not EmbeddedServer(home / "exercises" / "pg").is_running()
