"""`ganns tasks`: what it prints, and that it steers."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from ganns.cli.tasks import app
from ganns.errors import TaskUsageError
from ganns.queue.canvas import chord
from tests.queue import sample_tasks as sample
from tests.queue.conftest import queue_database

__all__ = ["queue_database"]


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_an_empty_queue() -> None:
    assert "No task is running" in run("active")
    assert "No task is waiting" in run("queued")
    assert "with the line that `ganns train`" in run("workers")
    assert "no tasks" in run("stats")
    assert "with the line that `ganns train`" in run("ping", code=1)


def test_what_there_is(hands: Callable) -> None:
    hand = hands()
    first, second = sample.add.delay(1), sample.add.delay(2)
    hand.fetch()
    assert str(first.job_id) in run("active").splitlines()[1]
    assert run("queued").splitlines()[1].split() == ["default", "add", "1", "0", "no"]
    assert run("workers").splitlines()[0].split()[:3] == ["worker", "name", "abilities"]
    assert run("stats").splitlines()[1].split()[:3] == ["add", "1", "1"]
    assert run("ping") == f"worker {hand.id}: pong\n"
    assert run("revoke", str(second.job_id), "12345") == "Revoked 1 of 2; the others had ended.\n"
    assert second.state == "REVOKED"


def test_what_there_is_as_json(hands: Callable) -> None:
    def rows(*arguments: str) -> list[dict]:
        return json.loads(run(*arguments, "--json"))

    assert json.loads(run("ping", "--json", code=1)) == []
    assert [rows(name) for name in ("active", "queued", "workers", "stats")] == [[], [], [], []]
    hand = hands()
    first, _ = sample.add.delay(1), sample.add.delay(2)
    hand.fetch()
    assert [row["job"] for row in rows("active")] == [first.job_id]
    assert rows("queued") == [{"queue": "default", "task": "add", "num": 1, "num_later": 0, "paused": False}]
    assert [row["worker"] for row in rows("workers")] == [hand.id]
    assert rows("stats")[0]["running"] == 1
    assert rows("ping") == [{"worker": hand.id, "alive": True}]


def test_control(hands: Callable) -> None:
    hand, result = hands(), sample.add.delay(1)
    run("pause", "default")
    assert hand.fetch() is None
    run("resume", "default")
    assert hand.fetch()["id"] == result.job_id
    with pytest.raises(TaskUsageError, match="no worker 'nobody'"):
        run("drain", "nobody")


def test_retry(hands: Callable) -> None:
    hand = hands()
    failed, revoked, waiting = sample.add.delay(1), sample.add.delay(2), sample.add.delay(3)
    hand.finish(hand.fetch(), error="ValueError: no")
    revoked.revoke()
    ended = chord([sample.add.s(4)], sample.total.s()).delay()
    ended.revoke()
    wrong = [waiting.job_id, 12345]
    assert run("retry", str(failed.job_id), str(revoked.job_id), *map(str, wrong)).splitlines() == [
        f"job {failed.job_id}: queued again",
        f"job {revoked.job_id}: queued again",
        f"job {waiting.job_id}: not queued, because it has not ended",
        "job 12345: not queued, because there is no such job (any more)",
    ]
    assert {failed.state, revoked.state} == {"RETRY"}
    jobs = {job["id"]: job for job in (hand.fetch(), hand.fetch(), hand.fetch())}
    assert hand.finish(jobs[failed.job_id], "7")
    assert failed.get(timeout=60) == 7
    assert "because it succeeded" in run("retry", str(failed.job_id), code=1)
    member = run("retry", str(ended._group_jobs()[0]), code=1)
    assert "because its chain, group or chord has ended" in member
