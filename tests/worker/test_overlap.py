"""`ganns worker` on a slow link: it holds a unit that is sent and one that is computed; what happens at its end."""

from __future__ import annotations

import signal

import pytest

from benchmarks.relay import relayed
from ganns.config import LocalStepsStrategy, QuorumConfig, StopConfig, SyntheticData
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import wait_until

pytestmark = pytest.mark.slow
RATE = 60_000
"""Bytes a second. A unit's result has about 100 kB."""
HELD = """
    SELECT array_agg(j.id ORDER BY u.claimed_at) FROM procrastinate.procrastinate_jobs j
    JOIN ganns.units u ON u.job_id = j.id JOIN ganns.workers w ON w.id = j.worker_id
    WHERE j.status = 'doing' AND u.claimed_by = j.worker_id AND w.name = 'slow'
      AND NOT EXISTS (SELECT FROM ganns.results r WHERE r.job_id = j.id)"""


def config(rounds: int):
    """Return a run whose units take longer to compute than to send."""
    return tiny(
        data=SyntheticData(count=256, holdout=8),
        strategy=LocalStepsStrategy(unit_images=64, micro_batch=2),
        quorum=QuorumConfig(units=4),
        stop=StopConfig(rounds=rounds),
    )


@pytest.fixture
def slow(classroom):
    """Yield a worker on a slow link."""
    with relayed(classroom.server.address, rate=RATE, delay_s=0.02) as (address, _):
        worker = classroom.worker("slow", address)
        yield worker
        worker.end()


def held(classroom, num: int = 2) -> list[int]:
    """Return the jobs of `num` units that the slow worker holds at a time, the first one first."""
    found: list[list[int]] = [[]]

    def looked() -> bool:
        classroom.check_coordinators()
        [jobs] = classroom.one(HELD)
        found[0] = jobs or []
        assert len(found[0]) <= 2
        return len(found[0]) == num

    wait_until(looked, 120, lambda: f"{num} held units: {classroom.logs()}", every_s=0.02)
    return found[0]


def test_the_weights_are_those_of_solo(classroom, slow):
    coordinator = classroom.coordinate(config(2))
    held(classroom)
    coordinator.join(240)
    assert coordinator.digest == solo_digest(config(2))
    [info] = classroom.one("SELECT info FROM ganns.workers WHERE name = 'slow' ORDER BY id DESC")
    assert info["images_per_s"] > 0


def test_a_worker_that_is_killed_then_gives_both_units_to_others(classroom, slow):
    coordinator = classroom.coordinate(config(2))
    jobs = held(classroom)
    slow.kill_child()
    classroom.worker("quick")
    coordinator.join(240)
    again = "SELECT count(*) FROM ganns.units WHERE job_id = ANY(%s) AND attempt > 0"
    assert classroom.one(again, jobs) == (2,)
    assert coordinator.digest == solo_digest(config(2))


def test_a_worker_that_leaves_finishes_the_upload_and_hands_the_other_unit_back(classroom, slow):
    classroom.coordinate(config(100))
    sent, computed = held(classroom)
    slow.process.send_signal(signal.SIGINT)
    assert slow.process.wait(60) == 0
    assert "1 unit(s) handed back" in slow.log
    assert classroom.one("SELECT count(*) FROM ganns.results WHERE job_id = %s", sent) == (1,)
    status = "SELECT status::text FROM procrastinate.procrastinate_jobs WHERE id = %s"
    assert (classroom.one(status, sent), classroom.one(status, computed)) == (("succeeded",), ("todo",))
