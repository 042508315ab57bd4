"""`ganns microscope`: the commands, on the tests' server instead of one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.db.address import Address
from ganns.errors import ConfigError
from ganns.exercises.microscope import scratch
from ganns.exercises.microscope.library import own


@pytest.fixture(autouse=True)
def _here(empty: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = scratch.scratch_database

    @contextmanager
    def on_our_server() -> Iterator[Address]:
        with original(empty) as own:
            yield own

    monkeypatch.setattr(scratch, "scratch_database", on_our_server)
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)


def ganns(*words: str, typed: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, ["microscope", *words], input=typed)
    if isinstance(result.exception, ConfigError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_a_scene_of_ones_own_from_the_copy_to_the_repair(tmp_path: Path) -> None:
    code, said = ganns("copy", "chord_unlocked", "mine.sql")
    assert code == 0
    assert "ganns microscope search mine.sql" in said
    with pytest.raises(ConfigError, match="exists, and is not overwritten"):
        ganns("copy", "chord_unlocked", "mine.sql")

    code, said = ganns("search", "mine.sql", "--svg", "lanes.svg")
    assert code == 1
    assert "✗ “The body is started exactly once” is broken: bodies = 0." in said
    assert "Played 70 orders" in said
    assert "2 switches between sessions" in said
    assert (tmp_path / "lanes.svg").read_text().startswith("<svg")
    assert [one.scene for one in own()] == ["mine"]

    mine = tmp_path / "mine.sql"
    mine.write_text(mine.read_text().replace("-- Are both here?", "LOCK TABLE results;\n-- Are both here?"))
    code, said = ganns(
        "search", "mine.sql"
    )  # a lock that is needlessly strong: two that have written wait for each other
    assert code == 1
    assert "Deadlock: in " in said


def test_orders_by_hand(tmp_path: Path) -> None:
    code, said = ganns("play", "claim_for_update", "--order", "ada bob", "--details")
    assert code == 0
    assert "waits for ada" in said
    assert "xmin (written by)" in said
    code, said = ganns("play", "read_committed", "--ask", typed="ada\neve\nbob\nada\nada\n")
    assert code == 0
    assert "eve cannot go on; choose from ada, bob" in said
    assert "is broken: first = 0, second = 1." in said
    with pytest.raises(ConfigError, match="place 1 is 'eve'"):
        ganns("play", "read_committed", "--order", "eve")


def test_the_list_says_what_holds() -> None:
    code, said = ganns("list")
    assert code == 0
    for line in said.splitlines():
        if "chord_unlocked" in line:
            assert "is broken" in line
        if "chord_locked" in line:
            assert "holds" in line
