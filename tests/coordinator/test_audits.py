"""Audits in real runs: a liar is found and gets no more units, and an honest worker never is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from benchmarks.hostile_workers import ATTACKS, Scene
from ganns.config import OPTIONS, AuditConfig, GradientStrategy, LocalStepsStrategy, QuorumConfig, StopConfig
from ganns.coordinator import evaluation_audit
from ganns.coordinator.auditor import Auditor
from ganns.errors import DataError, RunError
from ganns.evaluation.batches import encode
from ganns.store import audits, exclusions
from ganns.store.audits import AuditedWorker
from ganns.store.exclusions import Subject
from ganns.training.trust import Trust
from tests.coordinator.test_faults import finish_run
from tests.coordinator.test_refusals import register
from tests.support.fakes import FakeWorker, solo_digest, tiny
from tests.support.helpers import wait_until, workers

EVERYONE = AuditConfig(of="everyone")
STRATEGIES = {
    "gradient": GradientStrategy(unit_images=8, micro_batch=8),
    "local_steps": LocalStepsStrategy(unit_images=8, micro_batch=4),
}


class Liar(FakeWorker):
    """A worker that sends the opposite of each gradient, and right BatchNorm sums and losses."""

    def compute(self, claim):
        config, result = super().compute(claim)
        return config, ATTACKS["sign_flip"](Scene(0, 0, claim.round, [result]), result)


@pytest.fixture
def liars(database) -> Iterator[Callable[[str], Liar]]:
    made = []

    def make(name: str) -> Liar:
        made.append(Liar(database, name))
        register(made[-1])
        return made[-1]

    yield make
    for worker in made:
        worker.conn.close()


def long_run(**changes):
    return tiny(stop=StopConfig(rounds=10**6), **{"audit": EVERYONE} | changes)


def is_said(coordinator, text: str) -> bool:
    return any(text in one for one in coordinator.said)


def turns(coordinator, *fakes: FakeWorker) -> bool:
    """Let each worker do a unit; the coordinator must not have ended."""
    for worker in fakes:
        worker.work()
    assert coordinator.thread.is_alive(), coordinator.error
    return True


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_liar_is_found_by_name_and_gets_no_more_units(coordinate, join, liars, conn, strategy):
    config = long_run(strategy=STRATEGIES[strategy])
    coordinator, liar, good = coordinate(config), liars("liar"), join("good")
    register(good)
    wait_until(lambda: turns(coordinator, liar, good) and is_said(coordinator, "quarantine"), what="the quarantine")
    [text] = [text for text in coordinator.said if "is in quarantine" in text]
    assert text.startswith("liar (login ")
    assert exclusions.list_excluded(conn, coordinator.run_id) == {Subject(conn.info.user, "liar")}
    found = {row["name"]: row for row in audits.list_audits(conn, coordinator.run_id)}
    assert found["liar"]["failed"] >= config.audit.failures  # one more may have been on its way
    assert found["liar"]["first_bad_round"] is not None
    assert 1.9 < found["liar"]["distance"] < 2.1
    before = len(liar.submitted)
    # From here on the liar gets nothing: no claim, and no job from the server's own function.
    wait_until(lambda: turns(coordinator, good) and liar.work() is None and True, what="a job without a claim")
    done = len(coordinator.reports)
    wait_until(lambda: turns(coordinator, good) and len(coordinator.reports) > done + 2, what="more rounds")
    assert len(liar.submitted) == before
    fetch = "SELECT id FROM ganns_api.task_fetch(NULL, %s)"
    assert liar.one(fetch, liar.id)["id"] is None
    wait_until(lambda: good.one(fetch, good.id)["id"] is not None, what="a job for the other")
    assert not is_said(coordinator, "wrong result of good")
    assert not conn.execute("SELECT FROM ganns.task_workers WHERE draining").fetchall()  # other runs go on
    with pytest.raises(RunError, match=r"good is not left out of run \d+: `ganns runs audits \d+` shows who is"):
        exclusions.readmit(conn, coordinator.run_id, "good")


def test_an_instructor_takes_a_quarantine_back(coordinate, join, liars, conn):
    coordinator, liar, good = coordinate(long_run()), liars("liar"), join("good")
    wait_until(lambda: turns(coordinator, liar, good) and is_said(coordinator, "quarantine"), what="the quarantine")
    before = len(liar.submitted)
    exclusions.readmit(conn, coordinator.run_id, "liar")
    wait_until(lambda: turns(coordinator, liar, good) and len(liar.submitted) > before, what="another unit")
    # It is found again: only the wrong results since then count.
    wait_until(
        lambda: turns(coordinator, liar, good) and sum("is in quarantine" in text for text in coordinator.said) == 2,
        what="the second quarantine",
    )


def test_what_a_liar_is_computing_is_given_to_another_at_once(coordinate, join, liars, conn, monkeypatch):
    """Another process of the same name holds a unit, and its heart beats: the round does not wait for it."""
    held, find, take, holds = [], audits.held_units, Auditor.take, threading.Event()

    def held_units(*args):
        held.append(find(*args))
        return held[-1]

    monkeypatch.setattr(audits, "held_units", held_units)
    # The audits are heard only when the other process holds a unit of a round that cannot close.
    monkeypatch.setattr(Auditor, "take", lambda auditor: take(auditor) if holds.is_set() else [])
    config = long_run(quorum=QuorumConfig(units=2, spares=1))
    coordinator, liar, holder, good = coordinate(config), liars("liar"), liars("liar"), join("good")
    wait_until(lambda: turns(coordinator, liar, good) and len(liar.submitted) > config.audit.failures, what="lies")
    of_an_open_round = (
        "SELECT u.unit FROM ganns.units u JOIN ganns.rounds r USING (run_id, round) "
        "WHERE r.closed_at IS NULL AND u.claimed_by = ANY(%s)"
    )
    that_cannot_close = (
        " AND (SELECT count(*) FROM ganns.results s WHERE (s.run_id, s.round) = (u.run_id, u.round)) < 2"
    )

    def hold() -> bool:
        job = holder.fetch()
        if job is not None:
            holder.claim(job)
        return bool(conn.execute(of_an_open_round + that_cannot_close, ([holder.id],)).fetchall())

    wait_until(hold, what="a unit that is held")
    holds.set()
    wait_until(lambda: is_said(coordinator, "quarantine"), what="quarantine")
    # It is said before the transaction that gives the units on
    wait_until(
        lambda: not conn.execute(of_an_open_round, ([liar.id, holder.id],)).fetchall(), what="their units given on"
    )
    assert any(held), "it held no unit when it was found"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_honest_workers_are_audited_and_change_nothing(coordinate, join, conn, strategy):
    config = tiny(strategy=STRATEGIES[strategy], audit=EVERYONE, stop=StopConfig(rounds=6))
    coordinator, pair = coordinate(config), [join("one"), join("two")]
    finish_run(coordinator, *pair)
    assert coordinator.digest == solo_digest(config)
    rows = audits.list_audits(conn, coordinator.run_id)
    assert {row["name"] for row in rows} <= {"one", "two"}
    assert sum(row["audits"] for row in rows) == 12  # all of a new worker's, until ten agreed
    assert sum(row["same"] for row in rows) == 12
    assert not any(row["failed"] for row in rows)
    assert not exclusions.list_excluded(conn, coordinator.run_id)
    trust = audits.list_trust(conn, coordinator.run_id)
    assert sum(one.agreed for one in trust.values()) == 12


def test_a_class_with_one_login_has_no_audits_by_default(coordinate, join, conn, monkeypatch):
    monkeypatch.setattr(Auditor, "put", lambda auditor, asked: pytest.fail("audited") if asked else None)
    config = tiny()
    assert config.audit.of == "students"
    coordinator = coordinate(config)
    finish_run(coordinator, join())
    assert coordinator.digest == solo_digest(config)
    assert audits.list_audits(conn, coordinator.run_id) == []


def test_an_auditor_that_does_not_agree_with_itself_blames_nobody(coordinate, join, conn, monkeypatch):
    audited = []
    monkeypatch.setattr("ganns.coordinator.auditor.audit", lambda *args: audited.append(args))  # None: two results
    coordinator = coordinate(tiny(audit=EVERYONE))
    finish_run(coordinator, join("good"))
    assert audited
    assert is_said(coordinator, "gave two results on this machine")
    assert audits.list_audits(conn, coordinator.run_id) == []


# ------------------------------------------------------------------------------------------------- by trusted workers


@pytest.fixture
def students(conn) -> None:
    """Let the login `student_7` be a student's; it needs no role, since nobody connects with it."""
    conn.execute("INSERT INTO ganns.students (login, label) VALUES ('student_7', 'seven')")


@pytest.mark.slow
def test_without_images_a_worker_with_the_owners_login_audits(
    coordinate, liars, students, conn, database, tmp_path, monkeypatch
):
    monkeypatch.setattr(Auditor, "_images", property(lambda auditor: (_ for _ in ()).throw(DataError("no images"))))
    coordinator, liar = coordinate(long_run(audit=AuditConfig(), quorum=QuorumConfig(units=2))), liars("liar")
    conn.execute("UPDATE ganns.workers SET login = 'student_7'")
    conn.execute("UPDATE ganns.task_workers SET login = 'student_7'")
    wait_until(lambda: turns(coordinator, liar) and is_said(coordinator, "no worker with the owner's login"), what="it")
    monkeypatch.setattr("ganns.coordinator.auditor.UNABLE_S", 0.0)
    with workers(database, 1, tmp_path):
        wait_until(
            lambda: turns(coordinator, liar) and is_said(coordinator, "seven (login student_7) is in quarantine"),
            what="the quarantine",
        )
    rows = audits.list_audits(conn, coordinator.run_id)
    assert [row["login"] for row in rows] == ["student_7"]  # the worker with the owner's login is not audited
    auditors = conn.execute("SELECT DISTINCT auditor FROM ganns.audits").fetchall()
    assert auditors == [("w0",)]
    # A job of this task tells nothing of the unit, and a student's login would not get it.
    args = conn.execute("SELECT args FROM procrastinate.procrastinate_jobs WHERE task_name = 'audit'").fetchall()
    assert all(one[0].keys() == {"run", "audit"} for one in args)


def test_a_student_gets_no_audit(liars, conn):
    liar = liars("liar")
    conn.execute("INSERT INTO ganns.students (login, label) VALUES (session_user, 'eve')")
    conn.execute("UPDATE ganns.task_workers SET tasks = '{gradient,audit}'")
    conn.execute(
        "INSERT INTO procrastinate.procrastinate_jobs (queue_name, task_name, args) VALUES ('audits', 'audit', '{}')"
    )
    fetch = "SELECT id FROM ganns_api.task_fetch(NULL, %s)"
    assert liar.one(fetch, liar.id)["id"] is None
    conn.execute("DELETE FROM ganns.students WHERE label = 'eve'")
    assert liar.one(fetch, liar.id)["id"] is not None


# -------------------------------------------------------------------------------------------------------- evaluations


def part_of(index: int) -> dict[str, torch.Tensor]:
    return {"features": torch.full((4, 3), 1.0 + index)}


@pytest.fixture
def of_workers(monkeypatch):
    """Let parts 0 and 2 be a student's, part 1 the owner's, part 3 of a worker that has left."""
    student = AuditedWorker(Subject("student_7"), {})
    monkeypatch.setattr(audits, "workers_of_jobs", lambda conn, ids: {10: 1, 11: 2, 12: 1, 13: None})
    monkeypatch.setattr(audits, "list_workers", lambda *args: {1: student, 2: AuditedWorker(None, {})})
    trust: dict[Subject, Trust] = {}
    monkeypatch.setattr(audits, "list_trust", lambda *args: dict(trust))
    return trust


def checked(values, draw=lambda: 0.0):
    computed: list[int] = []

    def compute(index: int):
        computed.append(index)
        return part_of(index)

    parts, verdicts = evaluation_audit.check_parts(None, 1, tiny(), 7, [10, 11, 12, 13], values, compute, draw)
    assert all(torch.equal(part["features"], part_of(i)["features"]) for i, part in enumerate(parts) if i != 1)
    return computed, verdicts


def test_a_new_logins_parts_of_an_evaluation_are_drawn_again(of_workers):
    computed, verdicts = checked([encode(part_of(index)) for index in range(4)])
    assert sorted(computed) == [0, 2, 3]  # also that of a worker that is not known any more
    assert [(one.kind, one.round, one.unit, one.agreed) for one in verdicts] == [
        ("evaluation", 7, 0, True),
        ("evaluation", 7, 2, True),
    ]


@pytest.mark.parametrize("lie", ["features", "shape", "bytes"])
def test_false_features_are_found_and_replaced(of_workers, lie):
    false = {
        "features": encode({"features": torch.zeros(4, 3)}),
        "shape": encode({"features": torch.zeros(4, 2)}),
        "bytes": b"no safetensors",
    }[lie]
    of_workers[Subject("student_7")] = Trust(agreed=100)
    values = [false, *(encode(part_of(index)) for index in (1, 2, 3))]
    computed, verdicts = checked(values, draw=lambda: 0.0 if lie != "bytes" else 0.99)  # those are read by nobody
    assert not verdicts[0].agreed
    assert set(computed) == {0, 2, 3}  # all of this login


def test_a_trusted_logins_parts_are_seldom_drawn_again(of_workers):
    of_workers[Subject("student_7")] = Trust(agreed=100)
    computed, verdicts = checked([encode(part_of(index)) for index in range(4)], draw=lambda: 0.5)
    assert (computed, verdicts) == ([3], [])


# ------------------------------------------------------------------------------------------------------------- memory


def test_results_of_the_least_trusted_come_first_and_memory_is_bounded(monkeypatch):
    auditor = Auditor(SimpleNamespace(id=1), tiny(), None, 1, print)
    auditor._thread = SimpleNamespace(join=lambda timeout: None, is_alive=lambda: False)
    monkeypatch.setattr("ganns.coordinator.auditor.MAX_BYTES", 250)
    auditor.put([SimpleNamespace(agreed=agreed, size_bytes=100) for agreed in (5, 0, 9, 0)])
    assert [one.agreed for one in auditor._waiting] == [0, 0]
    assert not auditor.wait_idle(0.0)
    auditor.close()


@pytest.mark.slow
def test_the_recommended_rule_and_audits_go_together(coordinate, join, liars, conn):
    """A robust rule keeps all results until the end of the round: an audit compares what came, not what was used."""
    rule = OPTIONS["aggregate"]["multi_krum"]()
    config = replace(long_run(quorum=QuorumConfig(units=5)), aggregate=rule)
    coordinator, liar, good = coordinate(config), liars("liar"), join("good")
    wait_until(lambda: turns(coordinator, liar, good) and is_said(coordinator, "quarantine"), what="the quarantine")
    assert not is_said(coordinator, "wrong result of good")
