"""The warden and a student's slow link, together: no transfer is an offence, since none of its pieces is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from benchmarks.relay import relayed
from ganns.coordinator.offences import SessionLimits
from ganns.coordinator.warden import Warden
from ganns.db import pieces
from ganns.db.connect import Connection, SharedConnection, connect
from ganns.db.pieces import resumed
from ganns.db.queries import execute
from ganns.errors import WeightsMissing
from ganns.store import evaluations
from ganns.store.downloads import Download
from ganns.store.results import PartUpload
from ganns.store.worker_api import WeightsDownload
from ganns.training.serialization import digest
from tests.store.test_pieces import ATTEMPT, JOB, noise, open_unit, stored
from tests.store.test_pieces import shared as shared  # a fixture
from tests.support.fakes import publish_weights
from tests.support.students import Student, StudentWorker

DATA = noise(800_000)


@pytest.fixture
def ada(conn: Connection, enrol: Callable[..., Student]) -> Iterator[Student]:
    """A student whose worker holds the unit of an open round."""
    publish_weights(conn, open_unit(conn), 0, 1, DATA)
    student = enrol("Ada")
    worker = StudentWorker(student.address, "laptop")
    conn.execute("UPDATE ganns.units SET claimed_by = %s, claimed_at = now()", (worker.id,))
    yield student
    worker.conn.close()


def watch(conn: Connection, limit_s: float) -> tuple[Warden, list[str]]:
    """Return a warden whose limits are all the same short time, and what it says."""
    said: list[str] = []
    warden = Warden(1, said.append, limits=SessionLimits(limit_s, limit_s, limit_s))
    warden.begin(conn)
    return warden, said


def test_no_transfer_over_a_slow_link_is_ended(
    conn: Connection, ada: Student, shared: Callable[..., SharedConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transfer takes longer than a session may keep a transaction, or a statement.

    A busy machine may stand still for longer than that, so the times grow until nothing was ended.
    """
    monkeypatch.setattr(pieces, "PIECE_S", 0.1)
    run_id = conn.execute("SELECT id FROM ganns.runs").fetchone()[0]
    evaluation = str(evaluations.put_generator(conn, run_id, None, DATA))
    evaluations.put_feature_network(conn, run_id, DATA, 0.9)
    limit_s, is_whole = 0.6, False
    while not is_whole and limit_s < 10:
        downs = [
            WeightsDownload(run_id, 0),
            evaluations.generator_download(evaluation),
            evaluations.feature_network_download(run_id),
        ]
        rate = len(DATA) / (1.4 * limit_s)
        with relayed(ada.address, rate=rate / 2, rate_down=rate, delay_s=0.02) as (address, _):
            warden, said = watch(conn, limit_s)
            up, down = shared(address), shared(address)

            def fetch(
                down: SharedConnection = down, downs: list[Download] = downs, limit_s: float = limit_s
            ) -> list[float]:
                return [resumed(down.use, one) / limit_s for one in downs]

            with ThreadPoolExecutor(2) as threads:
                upload = threads.submit(resumed, up.use, PartUpload(JOB, ATTEMPT, "g", DATA))
                fetched = threads.submit(fetch)
                while not (upload.done() and fetched.done()):
                    warden.tick(conn)
                    time.sleep(0.02)
            assert min(upload.result() / limit_s, *fetched.result()) > 1.2
            is_whole = (said, up.num_opened, down.num_opened) == ([], 1, 1)
        assert stored(conn, len(DATA)) == DATA
        assert [one.result() for one in downs] == [(DATA, digest(DATA))] * 3
        limit_s *= 2
    assert is_whole


def test_a_whole_part_in_one_statement_would_be_ended(conn: Connection, ada: Student) -> None:
    """The test above could fail: the same bytes in one piece, over the same link."""
    warden, said = watch(conn, 0.6)
    part = {"job_id": JOB, "attempt": ATTEMPT, "role": "g", "chunk": 0, "num_chunks": 13, "digest": digest(DATA)}
    with relayed(ada.address, rate=100_000) as (address, _), connect(address) as slow, ThreadPoolExecutor(1) as thread:
        sent = thread.submit(execute, slow, "api_put_part", **part, data=DATA)
        while not sent.done():
            warden.tick(conn)
        with pytest.raises(psycopg.OperationalError):
            sent.result()
    [text] = said
    assert text.startswith(f"ended a session of login {ada.login} (Ada), worker Ada: laptop: ")
    assert "a transfer took" in text


def test_a_generator_that_is_deleted_on_the_way_is_missing(conn: Connection) -> None:
    """The evaluation is over: no part of it is drawn with half a generator."""
    run_id = open_unit(conn)
    evaluation = evaluations.put_generator(conn, run_id, None, noise(2_500_000))
    found = evaluations.generator_download(str(evaluation))
    conn.execute("DELETE FROM ganns.evaluated_generators WHERE chunk = 2")
    with pytest.raises(WeightsMissing):
        found.run(conn)
    assert not conn.closed
    assert evaluations.stored_feature_network(conn, run_id) is None
