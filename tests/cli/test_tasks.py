"""`ganns tasks`: what it prints, and that it steers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from ganns.cli.tasks import app
from ganns.errors import TaskUsageError
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


def test_control(hands: Callable) -> None:
    hand, result = hands(), sample.add.delay(1)
    run("pause", "default")
    assert hand.fetch() is None
    run("resume", "default")
    assert hand.fetch()["id"] == result.job_id
    with pytest.raises(TaskUsageError, match="no worker 'nobody'"):
        run("drain", "nobody")
