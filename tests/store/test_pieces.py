"""Uploads and downloads in pieces: they go on where they were cut, at any speed of the link."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from benchmarks.relay import relayed
from ganns.db import pieces
from ganns.db.address import Address
from ganns.db.connect import SharedConnection, connect
from ganns.db.pieces import BLOCK_BYTES, DEPTH, LARGEST_BYTES, LinkSpeed, Pace, pipelined, resumed
from ganns.errors import BadResult, WeightsMissing
from ganns.store import results, rounds, runs, worker_api
from ganns.store.results import PartUpload
from ganns.store.worker_api import WeightsDownload
from ganns.training.serialization import digest
from tests.support.fakes import publish_weights

JOB, ATTEMPT = 1, 0
OVERHEAD = 200_000  # bytes for logins, statements and answers


def noise(num_bytes: int) -> bytes:
    return random.Random(0).randbytes(num_bytes)


@pytest.fixture
def run_id(conn):
    """A run with an open round of one unit, which attempt 0 of job 1 has claimed."""
    return open_unit(conn)


def open_unit(conn) -> int:
    run_id = runs.create_run(conn, name="", config={}, fingerprint="", num_images=8, permutation_digest="")
    publish_weights(conn, run_id, 0, 1, noise(2_000_000))
    rounds.open_round(conn, run_id, 0, {}, [], weights_version=0, quorum=1, deadline_s=None)
    unit = "INSERT INTO ganns.units (run_id, round, unit, epoch, start, count, job_id) VALUES (%s, 0, 0, 0, 0, 8, %s)"
    conn.execute(unit, (run_id, JOB))
    return run_id


@pytest.fixture
def shared(monkeypatch):
    """Return a function that makes a worker's connection to an address."""
    made = []

    def make(address, **times) -> SharedConnection:
        monkeypatch.setenv("GANNS_DATABASE_URL", address.conninfo)
        made.append(SharedConnection("a test's connection", **times))
        return made[-1]

    yield make
    for one in made:
        one.close()


def stored(conn, num_bytes: int) -> bytes:
    data, found = results.get_part(conn, (JOB, ATTEMPT, "g"), num_bytes)
    assert found == digest(data)
    return data


def test_an_upload_goes_on_at_the_piece_where_it_was_cut(database, conn, run_id, shared):
    data = noise(6_000_000)
    with relayed(database, cut_up=[4_000_000]) as (address, relay):
        upload = PartUpload(JOB, ATTEMPT, "g", data)
        resumed(shared(address).use, upload)
        assert relay.num_cuts == 1
        assert upload.done == len(data)
        assert relay.num_up < len(data) + DEPTH * LARGEST_BYTES + OVERHEAD  # not the four million again
    assert stored(conn, len(data)) == data


def test_a_download_goes_on_at_the_range_where_it_was_cut(database, conn, run_id, shared):
    data = noise(6_000_000)
    publish_weights(conn, run_id, 0, 1, data)
    with relayed(database, cut_down=[4_000_000]) as (address, relay):
        download = WeightsDownload(run_id, 0)
        resumed(shared(address).use, download)
        assert relay.num_cuts == 1
        assert download.result() == (data, digest(data))
        assert relay.num_down < len(data) + DEPTH * LARGEST_BYTES + OVERHEAD


def test_a_slow_link_is_not_a_dead_one(database, conn, run_id, shared, monkeypatch):
    """The upload takes several times as long as the time after which a connection without progress is cut.

    And as the server's limits: no transaction is longer than a piece. A busy machine may stand still for longer than
    that, so the times grow until one upload had none.
    """
    monkeypatch.setattr(pieces, "PIECE_S", 0.1)
    data, rate, stuck_s, is_whole = noise(900_000), 600_000, 0.7, False
    while not is_whole and stuck_s < 12:
        limits = f"-c statement_timeout={stuck_s}s -c idle_in_transaction_session_timeout={stuck_s}s"
        with relayed(database, rate=rate, delay_s=0.02) as (address, relay):
            address = Address(make_conninfo(address.conninfo, options=limits), "with limits")
            connection, begun = shared(address, idle_s=0.3, stuck_s=stuck_s), time.monotonic()
            resumed(connection.use, PartUpload(JOB, ATTEMPT, "g", data))
            assert time.monotonic() - begun > 2 * stuck_s  # the relay's rate says so, on any machine
            is_whole = (connection.num_opened, relay.num_up < len(data) + OVERHEAD) == (1, True)
        assert stored(conn, len(data)) == data
        rate, stuck_s = rate / 2, stuck_s * 2
    assert is_whole


def test_a_units_bytes_on_the_wire_are_those_of_its_result_and_a_percent(database, conn, run_id):
    """DCGAN-64 at home: 1.64 MB up for a result, 3.39 MB down for a link; at most 1.70 and 3.5 are promised."""
    with relayed(database) as (address, relay), connect(address) as slow:
        for role, num_bytes in (("d", 722_000), ("g", 920_000)):
            results.put_part(slow, JOB, ATTEMPT, role, noise(num_bytes))
        assert relay.num_up < 1.70e6
        publish_weights(conn, run_id, 0, 1, noise(3_385_896))
        worker_api.fetch_weights(slow, run_id, 0)
        assert relay.num_down < 3.5e6
        assert relay.num_up < 1.70e6


def test_a_link_that_breaks_before_a_piece_arrived_is_given_up(database, run_id, shared, monkeypatch):
    monkeypatch.setattr(pieces, "backoff_s", lambda *args: 0.0)
    cuts = [number * 50_000 for number in range(1, 3 * pieces.MAX_FAILURES)]
    with relayed(database, cut_up=cuts) as (address, relay):
        upload = PartUpload(JOB, ATTEMPT, "g", noise(100_000))
        with pytest.raises(psycopg.OperationalError):
            resumed(shared(address).use, upload)
        assert relay.num_cuts == pieces.MAX_FAILURES
        assert upload.done == 0


def test_nothing_more_is_sent_once_the_round_is_closed(database, conn, run_id):
    conn.execute("UPDATE ganns.rounds SET closed_at = now()")
    with relayed(database) as (address, relay), connect(address) as slow:
        results.put_part(slow, JOB, ATTEMPT, "g", noise(3_000_000))
        assert relay.num_up < DEPTH * BLOCK_BYTES + OVERHEAD
        slow.execute("SELECT 1")  # the connection is as it was
    assert conn.execute("SELECT count(*) FROM ganns.result_parts").fetchone() == (0,)


def test_an_upload_of_which_the_server_lost_the_beginning_begins_anew(conn, run_id):
    """A pooler can hide a crash of the server: later pieces are there, earlier ones are not."""
    data = noise(300_000)
    upload = PartUpload(JOB, ATTEMPT, "g", data)
    upload.run(conn)
    conn.execute("DELETE FROM ganns.result_parts WHERE chunk = 0")
    with pytest.raises(BadResult, match="not whole"):
        stored(conn, len(data))
    upload.run(conn)
    assert stored(conn, len(data)) == data


@pytest.mark.parametrize("num_bytes", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * LARGEST_BYTES])
def test_parts_of_any_size_arrive(conn, run_id, num_bytes):
    data = noise(num_bytes)
    results.put_part(conn, JOB, ATTEMPT, "g", data)
    assert rounds_parts(conn, run_id) == ["g"]
    assert stored(conn, max(1, num_bytes)) == data
    publish_weights(conn, run_id, 0, 1, data or b"x")
    assert worker_api.fetch_weights(conn, run_id, 0) == (data or b"x", digest(data or b"x"))


def rounds_parts(conn, run_id: int) -> list[str]:
    return [role for _, (_, _, role) in results.list_parts(conn, run_id, 0)]


def test_a_part_is_listed_when_its_last_piece_is_there(conn, run_id):
    data = noise(3 * BLOCK_BYTES)
    results.put_part(conn, JOB, ATTEMPT, "g", data)
    conn.execute("DELETE FROM ganns.result_parts WHERE chunk > 0")
    assert rounds_parts(conn, run_id) == []


def test_pieces_that_overlap_are_no_way_to_fill_the_coordinators_memory(conn, run_id):
    put = "SELECT ganns_api.put_part(%s, %s, 'g', %s, 100, %s, 'x')"
    for block in range(20):
        conn.execute(put, (JOB, ATTEMPT, block, bytes(LARGEST_BYTES)))
    with pytest.raises(BadResult, match=r"has more than 2\.1 MB"):
        results.get_part(conn, (JOB, ATTEMPT, "g"), 2 * LARGEST_BYTES)
    with pytest.raises(psycopg.IntegrityError):  # beyond the announced end
        conn.execute(put, (JOB, ATTEMPT, 99, bytes(LARGEST_BYTES)))


def test_weights_that_change_or_end_on_the_way_are_missing(conn, run_id):
    """The connection is as it was: what was asked for and is of no use is read, too."""
    data = noise(2 * LARGEST_BYTES)
    publish_weights(conn, run_id, 0, 1, data)
    download = WeightsDownload(run_id, 0)
    download._pieces, download.done, download._size, download.digest = [data[:70_000]], 70_000, len(data), "another"
    with pytest.raises(WeightsMissing):
        download.run(conn)
    conn.execute("DELETE FROM ganns.weights WHERE chunk = 1")
    with pytest.raises(WeightsMissing):
        worker_api.fetch_weights(conn, run_id, 0)
    with pytest.raises(WeightsMissing):
        worker_api.fetch_weights(conn, run_id + 1, 0)
    assert not conn.closed


def test_a_statement_that_the_server_refuses_raises_its_error(conn):
    def requests(text: str) -> list[dict[str, str | int]]:
        return [{"run_id": 1, "version": 0, "start": 0, "length": one} for one in (1, text, 1)]

    with pytest.raises(psycopg.DataError, match="twelve"):
        list(pipelined(conn, "api_weights", requests("twelve")))
    assert conn.closed  # answers of the others would be on their way


@pytest.mark.parametrize(
    ("rate", "seconds"), [(12_500, 6), (62_500, 1.1), (1_250_000, 1), (10**9, 0.002)], ids=lambda one: f"{one:g}"
)
def test_a_piece_is_what_the_link_moves_in_about_a_second(rate, seconds):
    pace = Pace()
    for _ in range(9):
        pace.took(pace.size, pace.size / rate)
    assert BLOCK_BYTES <= pace.size <= LARGEST_BYTES
    assert pace.size % BLOCK_BYTES == 0
    assert pace.size / rate <= seconds
    if BLOCK_BYTES < pace.size < LARGEST_BYTES:
        assert pace.size > (rate - BLOCK_BYTES)


def test_the_speed_of_a_link():
    speed = LinkSpeed()
    assert speed.mbit() == {}
    speed.moved("up", 1000, 5.0)  # a round trip
    speed.moved("up", 1_000_000, 1.0)
    speed.moved("up", 1_000_000, 3.0)
    assert speed.mbit() == {"up_mbit": pytest.approx(4.0)}


class Connectionless:
    """A transfer that fails with one error."""

    def __init__(self, error: Exception) -> None:
        self.error, self.num, self.done = error, 0, 0

    def run(self, conn: object) -> None:
        self.num += 1
        raise self.error


def test_an_error_of_the_data_is_not_repeated(database, shared, monkeypatch):
    use: Callable = shared(database).use
    too_large = Connectionless(psycopg.errors.ProgramLimitExceeded("too large"))
    too_large.error.sqlstate = "54000"
    with pytest.raises(psycopg.OperationalError):
        resumed(use, too_large)
    assert too_large.num == 1
