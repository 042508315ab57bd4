"""What lies between a worker and its server: a half-open connection, and PgBouncer."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import subprocess
from contextlib import nullcontext

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from benchmarks.relay import relayed
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.doctor import OK, WARNING
from ganns.doctor.server import check_notifications
from ganns.store import results, students, worker_api
from ganns.training.serialization import digest
from tests.store.test_pieces import ATTEMPT, JOB, open_unit
from tests.support.fakes import publish_weights
from tests.support.helpers import free_port, wait_until
from tests.worker.proxy import Proxy

STUDENT = "s_pooler"
"""PgBouncer must know a login before it is started."""


def socket_of(server) -> tuple[str, int]:
    parts = conninfo_to_dict(server.address.conninfo)
    return str(parts["host"]), int(parts["port"])


@pytest.fixture
def proxy(own_server):
    folder, port = socket_of(own_server)
    proxy = Proxy(f"{folder}/.s.PGSQL.{port}")
    yield proxy
    proxy.close()


@pytest.mark.slow
def test_half_open_connections(classroom, proxy):
    """Everything is acknowledged and nothing arrives; after the fault the old connections stay dead."""
    address = Address(
        make_conninfo(classroom.server.address.conninfo, host="127.0.0.1", port=proxy.port), "through the proxy"
    )
    worker = classroom.worker(address=address)
    classroom.coordinate()
    classroom.wait_rounds(3, timeout_s=120)
    child = worker.child()
    proxy.freeze()
    wait_until(lambda: proxy.num_swallowed, timeout_s=90, what="something to be swallowed")
    # It does not wait on the old connection: it tries new ones.
    wait_until(lambda: proxy.num_refused, timeout_s=90, what="a new connection")
    proxy.thaw()
    classroom.wait_works(worker)
    assert worker.child() == child


@pytest.mark.slow
def test_a_worker_on_a_slow_link_that_breaks(classroom):
    """Results, weights and heartbeats share 60 kB/s, and the link is cut in the middle of uploads and downloads."""
    cuts = [150_000, 400_000]
    link = relayed(classroom.server.address, rate=60_000, delay_s=0.04, cut_up=cuts, cut_down=list(cuts))
    with link as (address, relay):
        worker = classroom.worker(address=address)
        classroom.coordinate()
        classroom.wait_rounds(4, timeout_s=240)
        wait_until(lambda: relay.num_cuts == 4, timeout_s=120, what="the cuts")
        classroom.wait_works(worker)
        assert worker.joined() >= 1


@pytest.fixture
def pgbouncer(own_server, tmp_path, request):
    """Yield the address of a real PgBouncer in front of the server, in the mode asked for."""
    if shutil.which("pgbouncer") is None:
        pytest.skip("pgbouncer is not installed (apt-get install pgbouncer)")
    folder, port = socket_of(own_server)
    sockets = tmp_path / "bouncer"
    sockets.mkdir()
    proxy = Proxy(f"{folder}/.s.PGSQL.{port}")  # the server's folder is its user's alone
    listen = free_port()
    (sockets / "users.txt").write_text(f'"ganns_owner" ""\n"{STUDENT}" ""\n')
    (sockets / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={proxy.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {listen}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {sockets}/users.txt\npool_mode = {request.param}\n"
        "default_pool_size = 5\nmax_client_conn = 100\nlogfile =\n"
    )
    command = ["pgbouncer", str(sockets / "pgbouncer.ini")]
    options = {}
    if os.geteuid() == 0:  # it refuses to run as root
        user = "nobody" if "nobody" in [one.pw_name for one in pwd.getpwall()] else "postgres"
        options = {"user": user}
        for path in (sockets, *sockets.parents):
            if path != path.parent:
                path.chmod(path.stat().st_mode | 0o055)
    with (sockets / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **options)
    address = Address(
        make_conninfo(own_server.address.conninfo, host="127.0.0.1", port=listen), f"pgbouncer, {request.param}"
    )

    def answers():
        try:
            with connect(address):
                return True
        except Exception:
            assert process.poll() is None, (sockets / "log").read_text()
            return False

    try:
        wait_until(answers, what="pgbouncer")
        yield address
    finally:
        process.kill()  # asked politely, a newer PgBouncer waits until its clients are gone
        process.wait()
        proxy.close()


@pytest.mark.parametrize("pgbouncer", ["transaction"], indirect=True)
def test_a_connection_goes_on_at_another_server_process(pgbouncer):
    """In transaction mode the next statement may meet a process that never heard what the others prepared."""
    with connect(pgbouncer) as one, connect(pgbouncer) as other:
        processes = set()
        for number in range(24):  # psycopg would prepare a statement at its sixth time
            with other.transaction() if number % 2 else nullcontext():
                if number % 2:
                    other.execute("SELECT 1")  # takes what `one` had, until the transaction ends
                processes |= {one.execute("SELECT pg_backend_pid()").fetchone()[0]}
        assert len(processes) > 1


@pytest.mark.parametrize("pgbouncer", ["transaction"], indirect=True)
def test_pieces_go_through_a_pooler_that_changes_the_process_between_them(pgbouncer):
    """Two pieces are on the way at once, each in a transaction of its own."""
    with connect(pgbouncer) as conn, connect(pgbouncer) as other:
        run_id = open_unit(conn)
        data = random.Random(0).randbytes(3_000_000)
        publish_weights(conn, run_id, 0, 1, data)
        results.put_part(conn, JOB, ATTEMPT, "g", data)
        assert results.get_part(other, (JOB, ATTEMPT, "g"), len(data)) == (data, digest(data))
        assert worker_api.fetch_weights(other, run_id, 0) == (data, digest(data))


@pytest.mark.parametrize(
    ("pgbouncer", "variables"),
    [("transaction", {"GANNS_POLLING": "1"}), ("session", {})],
    indirect=["pgbouncer"],
    ids=["transaction mode, polling", "session mode, LISTEN"],
)
def test_pgbouncer(classroom, pgbouncer, variables):
    worker = classroom.worker(address=pgbouncer, **variables)
    classroom.coordinate()
    classroom.wait_rounds(4, timeout_s=120)
    classroom.wait_works(worker)
    listen = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ganns worker: listen'"
    wait_until(lambda: classroom.one(listen) == (0 if variables else 1,), what="the connection that listens, or none")
    assert worker.joined() == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pgbouncer", "variables"),
    [("transaction", {"GANNS_POLLING": "1"}), ("session", {})],
    indirect=["pgbouncer"],
    ids=["transaction mode, polling", "session mode, LISTEN"],
)
def test_a_student_works_through_pgbouncer(classroom, own_server, pgbouncer, variables):
    """Its settings are the role's, and the login is that of the server's session, so that both pass through."""
    with connect(own_server.address) as owner:
        login = sql.Identifier(students.add(owner, "ada").login)
        owner.execute(sql.SQL("ALTER ROLE {} RENAME TO {}").format(login, sql.Identifier(STUDENT)))
        owner.execute("UPDATE ganns.students SET login = %s", [STUDENT])
    address = Address(make_conninfo(pgbouncer.conninfo, user=STUDENT), "a student's")
    worker = classroom.worker("laptop", address=address, **variables)
    classroom.coordinate()
    classroom.wait_rounds(4, timeout_s=120)
    assert classroom.one("SELECT count(*) > 0 FROM ganns.ledger") == (True,)
    assert classroom.one("SELECT DISTINCT name, login::text FROM ganns.workers") == ("ada: laptop", STUDENT)
    assert worker.joined() == 1


@pytest.mark.parametrize("pgbouncer", ["transaction", "session"], indirect=True)
def test_the_doctor_tells_a_pooler_that_swallows_notifications(pgbouncer, monkeypatch):
    found = check_notifications(pgbouncer)
    if "transaction" not in pgbouncer.source:
        assert found.state == OK
        return
    assert (found.state, "pooler in transaction mode" in found.said) == (WARNING, True)
    assert "GANNS_POLLING=1" in found.todo
    monkeypatch.setenv("GANNS_POLLING", "1")
    assert check_notifications(pgbouncer).state == OK
