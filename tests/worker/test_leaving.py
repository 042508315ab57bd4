"""Leaving and waiting: Ctrl-C once and twice, no server, no schema, no run, a program that is too old."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from ganns.config import GradientStrategy, ModelConfig, SyntheticData
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.utils.installation import update_command
from tests.support.helpers import wait_until
from tests.worker.classroom import endless


def long_units():
    """Return a run whose units take seconds."""
    return endless(
        model=ModelConfig(image_size=64, latent_dim=100, features_g=64, features_d=64),
        strategy=GradientStrategy(unit_images=256, micro_batch=4),
        data=SyntheticData(count=600, holdout=8),
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_once_hands_the_unit_back_at_once(classroom, number):
    """It holds a long unit; another worker starts exactly that unit, and the server's clock says how soon."""
    leaver = classroom.worker("leaver")
    classroom.coordinate(long_units())
    job = []
    wait_until(
        lambda: (
            job.append(
                classroom.one(
                    "SELECT j.id, j.attempts FROM procrastinate.procrastinate_jobs j "
                    "JOIN ganns.units u ON u.job_id = j.id AND u.claimed_by = j.worker_id WHERE j.status = 'doing'"
                )
            )
            or job[-1]
        ),
        timeout_s=120,
        what="a unit in hand",
    )
    job_id, attempt = job[-1]
    leaver.process.send_signal(number)
    assert leaver.process.wait(60) == 0
    row = classroom.one("SELECT status::text, attempts FROM procrastinate.procrastinate_jobs WHERE id = %s", job_id)
    assert row == ("todo", attempt + 1)
    assert "1 unit(s) handed back" in leaver.log
    assert classroom.one("SELECT count(*) FROM procrastinate.procrastinate_workers") == (0,)
    stayer = classroom.worker("stayer")
    wait_until(
        lambda: (
            classroom.one("SELECT status::text FROM procrastinate.procrastinate_jobs WHERE id = %s", job_id)
            == ("doing",)
        ),
        timeout_s=120,
        what="another worker to start it",
    )
    wait_until(lambda: stayer.joined() == 1, what="its line")


def test_a_unit_handed_back_goes_to_another_worker(classroom):
    """The other worker is idle and listens. How soon it has the unit is measured by benchmarks.rescue."""
    leaver = classroom.worker("leaver")
    leaver.wait_joined()
    config = long_units()
    config.quorum.units = 1
    classroom.coordinate(config)
    holds = "SELECT w.name FROM procrastinate.procrastinate_jobs j JOIN ganns.workers w ON w.id = j.worker_id "
    holds += "WHERE j.status = 'doing'"
    wait_until(lambda: classroom.one(holds) == ("leaver",), timeout_s=90, what="a unit in hand")
    stayer = classroom.worker("stayer")
    stayer.wait_joined()
    listening = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ganns worker: listen'"
    wait_until(lambda: classroom.one(listening) == (2,), what="both to listen")
    leaver.process.send_signal(signal.SIGINT)
    wait_until(lambda: classroom.one(holds) == ("stayer",), timeout_s=90, what="the unit to go on")
    assert leaver.process.wait(60) == 0


def test_twice_is_now(classroom):
    worker = classroom.worker()
    classroom.coordinate(long_units())
    wait_until(
        lambda: classroom.one("SELECT 1 FROM ganns.units WHERE claimed_by IS NOT NULL") is not None, 90, "a unit"
    )
    child = worker.child()
    os.kill(child, signal.SIGSTOP)  # it would never answer the first
    worker.process.send_signal(signal.SIGINT)
    wait_until(lambda: "leaving" in worker.log, what="the supervisor to have heard the first")
    worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait(60) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.parametrize("joined", [True, False], ids=["at work", "while it starts"])
def test_the_child_of_a_killed_supervisor_leaves(classroom, joined):
    worker = classroom.worker()
    if joined:
        worker.wait_joined()
    wait_until(worker.child, what="a child")
    child = worker.child()
    worker.process.kill()
    worker.process.wait()

    def gone():
        try:
            return Path(f"/proc/{child}/stat").read_text().split()[2] == "Z"
        except FileNotFoundError:
            return True

    wait_until(gone, timeout_s=90, what="the orphan to leave")
    assert classroom.one("SELECT count(*) FROM procrastinate.procrastinate_workers") == (0,)


def test_it_waits_for_server_schema_and_run(classroom):
    room = classroom
    address = Address(make_conninfo(room.server.address.conninfo, dbname="later"), "the test")
    room.server.stop()
    worker = room.worker(address=address)
    wait_until(lambda: "waiting: Cannot connect" in worker.log, timeout_s=90, what="no server")
    room.server.start()
    with connect(room.server.embedded.superuser_address) as superuser:
        superuser.execute("CREATE DATABASE later OWNER ganns_owner")
    wait_until(lambda: "run `ganns db migrate`" in worker.log, timeout_s=90, what="no schema")
    with connect(address) as conn:
        migrate(conn)
    wait_until(lambda: "no run is open" in worker.log, timeout_s=90, what="no run")
    assert worker.process.poll() is None
    room.one("SELECT 1")  # the class's own database is still empty
    worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait(60) == 0


def test_a_program_that_is_too_old_takes_no_units(classroom):
    coordinator = classroom.coordinate()
    wait_until(lambda: classroom.one("SELECT 1 FROM ganns.rounds") is not None, what="a round")
    assert classroom.one("SELECT requires FROM ganns.runs") == ("0.1",)
    classroom.one("UPDATE ganns.runs SET requires = '99.1'")
    worker = classroom.worker()
    wait_until(
        lambda: f"the run needs 99.1: type `{update_command('99.1')}`" in worker.log,
        timeout_s=120,
        what="what to install",
    )
    assert classroom.one("SELECT count(*) FROM ganns.units WHERE claimed_by IS NOT NULL") == (0,)
    classroom.one("UPDATE ganns.runs SET requires = ''")
    classroom.wait_rounds(2)
    assert coordinator.error is None
    assert worker.joined() == 1
