"""The soak, short; and the rules that it checks find what breaks them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ganns.config import StopConfig
from tests.coordinator.test_faults import finish_run
from tests.support.fakes import tiny
from tests.support.helpers import ROOT
from tests.support.invariants import INCOMPLETE, RULES, rows_that_break


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_soak():
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes", "0.75"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=850)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["passed"]
    assert figures["as_solo"]
    assert figures["kills"] >= 7
    assert set(figures["faults"]) >= {"worker killed", "supervisor killed", "coordinator killed", "server crashed"}
    assert (figures["broken"], figures["never"]) == ([], [])


BREAK = {
    "units that were counted twice": """
        DROP INDEX ganns.ledger_accepted_once;
        INSERT INTO ganns.ledger (run_id, round, unit, job_id, attempt, epoch, start, images, seconds, accepted)
        SELECT run_id, round, unit, job_id + 1000, attempt, epoch, start, images, seconds, accepted FROM ganns.ledger
        WHERE round = 0 AND unit = 0""",
    "images that were accepted twice in an epoch": "UPDATE ganns.ledger SET start = 3 WHERE round = 0 AND unit = 0",
    "runs whose count of images or rounds is not the ledger's": "UPDATE ganns.runs SET images = images - 1",
    "closed rounds without their quorum": "DELETE FROM ganns.ledger WHERE round = 1 AND unit = 1",
    "versions without exactly one closed round": "UPDATE ganns.rounds SET closed_at = NULL WHERE round = 1",
    "runs with another number of metrics than of rounds": "DELETE FROM ganns.metrics WHERE round = 1",
    "jobs that a dead worker holds": """
        INSERT INTO procrastinate.procrastinate_jobs (queue_name, task_name, status) VALUES ('q', 't', 'doing');
        UPDATE procrastinate.procrastinate_events SET at = at - interval '2 minutes'""",
}
assert BREAK.keys() == RULES.keys()


def test_each_rule_finds_what_breaks_it(coordinate, join, conn):
    finish_run(coordinate(tiny(stop=StopConfig(rounds=4))), join())
    assert rows_that_break(conn) == {}
    assert conn.execute(INCOMPLETE).fetchall() == []
    for name, change in BREAK.items():
        with conn.transaction(force_rollback=True):
            conn.execute(change)
            assert name in rows_that_break(conn), name
    with conn.transaction(force_rollback=True):
        conn.execute("DELETE FROM ganns.ledger WHERE round = 0 AND unit = 0")
        assert conn.execute(INCOMPLETE).fetchall()
