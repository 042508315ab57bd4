"""Scenes on real sessions: waiting is found out, orders are searched, and recordings are what is committed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from psycopg.conninfo import make_conninfo

from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.errors import ConfigError
from ganns.exercises.microscope.lanes import details, lay_out, not_seen
from ganns.exercises.microscope.library import recorded
from ganns.exercises.microscope.player import NotNow, Player
from ganns.exercises.microscope.recording import FIRST_NUMBER, from_json, structure, to_json
from ganns.exercises.microscope.scene import find, load, parse, ready
from ganns.exercises.microscope.scratch import PREFIX, scratch_database
from ganns.exercises.microscope.search import search_scene, summary
from tests.exercises.pupil import solved, starter

HEAD = """-- scene: T
-- watch: t
-- setup
CREATE TABLE t (id int PRIMARY KEY, n int);
INSERT INTO t VALUES (1, 0), (2, 0);
"""


@pytest.fixture(scope="module")
def stage(server: SimpleNamespace) -> Iterator[Address]:
    """Yield the address of a database for all tests of this module: each player makes its tables anew."""
    login = {key: getattr(server, key) for key in ("host", "port", "user", "password")}
    with scratch_database(Address(make_conninfo(**login, dbname=server.maintenance_dbname), "the tests")) as own:
        yield own


def scene_of(ada: str, bob: str, promise: str = "SELECT true;") -> str:
    return f"{HEAD}-- session: ada\n{ada}\n-- session: bob\n{bob}\n-- promise: P\n{promise}\n"


def player_of(address: Address, *texts: str) -> Player:
    return Player(address, parse(scene_of(*texts), "t"))


@pytest.mark.parametrize("name", ready())
def test_the_committed_recording_is_what_is_played_today(name: str, stage: Address) -> None:
    committed = recorded(name)
    with Player(stage, find(name)) as player:
        played = player.record(tuple(committed.order.split()))
    if committed.deadlock:  # on a busy machine, the server may end the other session
        assert played.deadlock
        assert played.errors == committed.errors
        return
    assert structure(played) == structure(committed), "type `python -m ganns.exercises.microscope.library`, and look"
    assert from_json(to_json(played)) == played


def test_two_finishers_without_the_lock_are_broken_and_with_it_all_orders_hold(stage: Address) -> None:
    begin = time.monotonic()
    with Player(stage, find("chord_unlocked")) as player:
        without = search_scene(player)
    took_s = time.monotonic() - begin
    assert without.complete
    assert without.num_played == 70  # of 4 and 4 steps
    assert without.broken is not None
    assert without.broken.order == tuple(["ada", "ada", "bob", "bob", "bob", "bob", "ada", "ada"])
    assert "70 orders" in summary(without)[0]

    with Player(stage, find("chord_locked")) as player:
        with_lock = search_scene(player, depth=without.depth)
    assert with_lock.complete
    assert with_lock.broken is None
    assert with_lock.num_waited > 20  # that a statement waits is part of an order, and no obstacle
    assert summary(with_lock)[1] == "The promise held in each of them."
    print(f"without the lock: {took_s:.1f} s; with it: {with_lock.seconds:.1f} s, {with_lock.num_played} orders")


@pytest.mark.slow
@pytest.mark.parametrize("name", ready())
def test_what_a_ready_scene_shows_is_what_a_search_finds(name: str, stage: Address) -> None:
    with Player(stage, find(name)) as player:
        finding = search_scene(player)
    assert finding.complete
    assert (finding.broken is None) == recorded(name).held
    if finding.broken is not None:
        assert " ".join(finding.broken.order) == recorded(name).order


def test_a_statement_that_waits_is_told_with_its_locks_and_goes_on(stage: Address) -> None:
    update = "BEGIN;\nUPDATE t SET n = n + 1 WHERE id = 1;\nCOMMIT;"
    with player_of(stage, update, update, "SELECT n = 2 FROM t WHERE id = 1;") as player:
        found = player.record(("ada", "bob", "ada", "bob"))
    assert found.held
    assert [(one.session, one.outcome) for one in found.moments] == [
        (0, "done"),
        (1, "waits"),
        (0, "done"),
        (1, "done"),
        (1, "done"),
    ]
    first, waits, commit, went_on, _ = found.moments
    assert first.number is not None
    assert first.number >= FIRST_NUMBER
    assert waits.waits_for == (0,)
    assert [(lock.what, lock.mode) for lock in waits.locks if not lock.granted] == [
        (f"transaction {first.number}", "ShareLock")
    ]
    assert waits.sees is not None
    assert not waits.sees.sees(first.number)
    assert not_seen(found, 1) == ["ada (not committed)"]
    assert ("waits for", f"ShareLock on transaction {first.number} (ada)") in details(found, 1)
    assert commit.commits
    assert went_on.kind == "went on"
    [row] = [row for row in went_on.rows if row.values["id"] == 1]
    assert row.values["n"] == 2
    assert row.xmin == went_on.number
    [band] = lay_out(found).bands
    assert (band.lane, band.first, band.last, band.words) == (1, 1, 3, "waits for ada")


def test_a_deadlock_is_told_as_such(stage: Address) -> None:
    with Player(stage, find("deadlock")) as player:
        finding = search_scene(player)
        assert finding.deadlock is not None
        assert finding.num_deadlocks > 0
        found = player.record(finding.deadlock.order)
    assert found.deadlock
    assert found.errors == ["deadlock detected"]
    assert not found.held
    assert any(line.startswith("Deadlock: in ") for line in summary(finding))


def test_a_session_that_waits_for_ever_is_told(stage: Address) -> None:
    with Player(stage, find("notify_lost")) as player:
        found = player.record(("coordinator", "worker", "worker", "worker", "coordinator", "coordinator"))
    assert found.stuck == (0,)
    assert not found.held
    assert lay_out(found).verdict.startswith("In the end, coordinator waits for ever.")


def test_a_session_is_killed_between_its_steps_and_its_transaction_is_undone(stage: Address) -> None:
    text = HEAD + (
        "-- session: ada, may be killed\nBEGIN;\nUPDATE t SET n = 7 WHERE id = 1;\nCOMMIT;\n"
        "-- session: bob, after ada\nUPDATE t SET n = n + 1 WHERE id = 1;\n"
        "-- promise: P\nSELECT n = 8 FROM t WHERE id = 1;\n"
    )
    with Player(stage, parse(text, "t")) as player:
        finding = search_scene(player)
        assert finding.num_played == 2
        assert finding.broken is not None
        assert finding.broken.order == ("ada", "kill:ada", "bob")
        found = player.record(finding.broken.order)
        assert player.play(("ada", "ada", "bob")).held  # the killed session has a new connection
    assert [one.outcome for one in found.moments] == ["done", "killed", "done"]
    assert found.moments[1].answer == "its transaction is undone"


def test_an_error_ends_a_session_and_undoes_its_transaction(stage: Address) -> None:
    ada = "BEGIN;\nUPDATE t SET n = 5 WHERE id = 2;\nINSERT INTO t VALUES (3, 0);\nCOMMIT;"
    with player_of(stage, ada, "INSERT INTO t VALUES (3, 1);", "SELECT n = 0 FROM t WHERE id = 2;") as player:
        found = player.record(("bob", "ada", "ada"))
    assert found.held
    assert [one.outcome for one in found.moments] == ["done", "done", "error"]
    assert found.errors == ['duplicate key value violates unique constraint "t_pkey"']


@pytest.mark.parametrize(
    ("ada", "bob", "promise", "words"),
    [
        ("SELEC 1;", "SELECT 1;", "SELECT true;", 't.sql, line 7: syntax error at or near "SELEC"'),
        ("SELECT 1;", "BEGIN;\nSELECT 2;", "SELECT true;", "t.sql, line 10: bob ends inside a transaction: add COMMIT"),
        ("SELECT 1;", "SELECT 2;", "SELECT 3;", "should answer true or false, not \\(3,\\)"),
        ("SELECT 1;", "SELECT 2;", "SELECT x;", 'the promise\'s query does not run: column "x" does not exist'),
        ("SELECT 1 AS a \\gset\nSELECT :b;", "SELECT 2;", "SELECT true;", "line 8: nothing has set :b"),
    ],
)
def test_a_mistake_in_a_scene_is_told(stage: Address, ada: str, bob: str, promise: str, words: str) -> None:
    with player_of(stage, ada, bob, promise) as player, pytest.raises(ConfigError, match=words):
        player.play()


def test_an_impossible_order_is_refused_and_says_what_is_possible(stage: Address) -> None:
    update = "BEGIN;\nUPDATE t SET n = n + 1;\nCOMMIT;"
    with player_of(stage, update, update) as player:
        with pytest.raises(NotNow, match="place 3 is 'bob', which is not possible there: choose from ada"):
            player.play(("ada", "bob", "bob"))
        assert player.play(("ada", "bob", "ada")).waited  # it begins anew


def test_the_scratch_database_is_dropped_and_so_are_forgotten_ones(stage: Address) -> None:
    forgotten = f"{PREFIX}99999999_0"  # no process has this number

    def names() -> set[str]:
        with connect(stage) as conn:
            rows = conn.execute("SELECT datname FROM pg_database WHERE datname LIKE 'microscope%'").fetchall()
        return {name for (name,) in rows}

    before = names()
    with connect(stage) as conn:
        conn.execute(f"CREATE DATABASE {forgotten} TEMPLATE template0".encode())
    with scratch_database(stage) as own:
        assert own.conninfo != stage.conninfo
        assert len(names() - before) == 1
        assert forgotten not in names()
    assert names() == before


@pytest.mark.parametrize("name", ["exactly_once_claims.sql", "exactly_once_sleeper.sql", "one_round_close.sql"])
def test_the_scenes_of_exercises_break_a_wrong_answer_and_hold_for_the_solution(
    name: str, stage: Address, tmp_path: Path
) -> None:
    number = 6 if name.startswith("one_round") else 3
    starter(number, tmp_path)
    if number == 6:  # its starter has nothing to play
        solved(number, tmp_path, (" FOR SHARE;", ";"))
    with Player(stage, load(tmp_path / name)) as player:
        assert search_scene(player).broken is not None
    solved(number, tmp_path)
    with Player(stage, load(tmp_path / name)) as player:
        finding = search_scene(player)
    assert finding.complete
    assert finding.broken is None
