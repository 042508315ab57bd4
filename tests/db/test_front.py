"""The TLS front: what leaves the machine is encrypted, and no stranger becomes a local user by it."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from psycopg.conninfo import make_conninfo

from ganns.cli import join
from ganns.db import encryption
from ganns.db.address import Address, resolve
from ganns.db.connect import connect
from ganns.db.diagnostics import link_mbit
from ganns.db.migrate import migrate
from ganns.db.server import front as fronts
from ganns.db.server.front_process import MAX_ENDS
from ganns.db.server.opened import OpenServer, address_for
from ganns.db.server.own_certificate import FILE, VALID, own_certificate
from ganns.errors import DatabaseError, DatabaseUnreachable
from ganns.worker.resilient_manager import brief
from tests.support.coordinators import Coordinator
from tests.support.databases import copy_cluster
from tests.support.fakes import FakeWorker, solo_digest, tiny
from tests.support.helpers import free_port, wait_until

ASKS = struct.pack("!II", 8, 80877103)
GSS = struct.pack("!II", 8, 80877104)
BLOB = os.urandom(1000) * 2_000


@pytest.fixture(scope="module")
def opened() -> Iterator[OpenServer]:
    """Yield an open server that the tests of this file share."""
    # Not in pytest's folder: see tests/support/databases.py. Made anew each time: other files' tests may come between.
    home = Path(tempfile.mkdtemp(dir=Path(os.environ["GANNS_HOME"]).parent, prefix="front-"))
    copy_cluster(home / "pg")
    with OpenServer(home / "pg", "127.0.0.1", free_port()) as server:
        with connect(server.server.address) as conn:
            migrate(conn)  # as `ganns db serve` does: the class's login is new
        yield server


@pytest.fixture
def address(opened: OpenServer) -> Address:
    """Return the address that the class has, as libpq needs it."""
    found = resolve(opened.address("127.0.0.1").conninfo)
    assert found is not None
    return found


def changed(address: Address, **parameters: str | int) -> Address:
    return Address(make_conninfo(address.conninfo, **parameters), "the test")


def port_of(opened: OpenServer) -> int:
    return opened._entrance.port


class Sniffer:
    """A machine on the way: it passes all bytes on, and keeps them."""

    def __init__(self, port: int) -> None:
        self._to, self._listening, self.seen = port, socket.create_server(("127.0.0.1", 0)), bytearray()
        self.port = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self.seen += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for one in (self._listening, *self._open):
            one.close()


def use(address: Address, question: str) -> bytes:
    """Send a statement's text, weights up, and weights down."""
    with connect(address) as conn:
        row = conn.execute(f"SELECT '{question}', %b::bytea", (BLOB,), binary=True).fetchone()
    assert row is not None
    return bytes(row[1])


def test_neither_statements_nor_passwords_nor_weights_pass_in_clear(opened: OpenServer, address: Address) -> None:
    question, password = "who is ada", opened.server.password.encode()
    for where, is_secret in ((port_of(opened), True), (opened._inner[1], False)):
        with closing(Sniffer(where)) as sniffer:
            way = address if is_secret else opened.server.tcp_address("127.0.0.1")
            assert use(changed(way, port=sniffer.port), question) == BLOB
        assert len(sniffer.seen) > 2 * len(BLOB)
        hidden = [text for text in (question.encode(), b"SCRAM-SHA-256", BLOB[:64]) if text not in sniffer.seen]
        assert len(hidden) == (3 if is_secret else 0), "the sniffer sees what is not encrypted, and nothing else"
        assert password not in sniffer.seen, "SCRAM sends none, with TLS or without"


@contextmanager
def impostor(folder: Path) -> Iterator[tuple[int, bytearray]]:
    """Yield the port of a server with a certificate of its own, and what clients send it inside TLS."""
    own_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / FILE)
    heard = bytearray()

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                with suppress(OSError):
                    assert client.recv(8) == ASKS
                    client.sendall(b"S")
                    with context.wrap_socket(client, server_side=True) as inside:
                        heard.extend(inside.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1], heard
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_another_certificate_gets_neither_login_nor_password(
    opened: OpenServer, address: Address, tmp_path: Path
) -> None:
    with impostor(tmp_path) as (port, heard):
        with pytest.raises(DatabaseUnreachable, match=r"is not the one of your address, since its certificate") as said:
            connect(changed(address, port=port))
        assert opened.server.password not in str(said.value)
        assert heard == b""
        # The impostor would hear a client that does not check: it is no broken server.
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(changed(address, port=port, sslmode="require", sslrootcert="").conninfo, connect_timeout=5)
        assert b"ganns_class" in heard


def test_a_server_that_cannot_encrypt_gets_nothing(opened: OpenServer, address: Address) -> None:
    with pytest.raises(DatabaseUnreachable, match="cannot encrypt, and nothing was sent to it"):
        connect(changed(address, port=opened._inner[1]))


def test_a_client_that_does_not_encrypt_is_refused_in_a_sentence(opened: OpenServer, address: Address) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"FATAL:  this server takes only encrypted connections; rem"):
        psycopg.connect(changed(address, sslmode="disable").conninfo, connect_timeout=5)
    with pytest.raises(DatabaseUnreachable, match=r"takes only encrypted .* take sslmode=disable out of the address"):
        connect(changed(address, sslmode="disable"))
    psycopg.connect(changed(address, sslmode="allow").conninfo).close()  # libpq then tries with TLS


@pytest.mark.parametrize(
    "options", [{"sslnegotiation": "direct"}, {"channel_binding": "prefer"}, {"gssencmode": "prefer"}]
)
def test_other_ways_to_begin_work(address: Address, options: dict[str, str]) -> None:
    with connect(changed(address, **options)) as conn:
        assert conn.pgconn.ssl_in_use


def talk(port: int, data: bytes) -> bytes:
    """Send bytes, and return all that comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), 20) as conn:
        conn.sendall(data)
        answer = b""
        with suppress(ConnectionResetError):
            while more := conn.recv(1000):
                answer += more
        return answer


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b""),
        (ASKS + b"\0\0\0\x40", b""),  # bytes in clear that a server could take for encrypted ones
        (GSS + GSS, b"N"),
        (b"\x16\x03\x01\0\x05hello", b""),
        (struct.pack("!II", 8, 3 << 16), b""),
    ],
)
def test_what_no_client_sends_gets_no_further(opened: OpenServer, data: bytes, answer: bytes) -> None:
    assert talk(port_of(opened), data) == answer


def test_direct_tls_must_name_the_protocol(opened: OpenServer) -> None:
    """A browser that a web page sends here begins TLS at once, too: so PostgreSQL 17 asks for the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for names, is_taken in (([], False), (["http/1.1"], False), (["postgresql"], True)):
        if names:
            context.set_alpn_protocols(names)
        with socket.create_connection(("127.0.0.1", port_of(opened)), 20) as conn:
            ended = False
            try:
                with context.wrap_socket(conn) as inside:
                    inside.sendall(struct.pack("!II", 8, 80877104))  # passed on: PostgreSQL says N
                    ended = inside.recv(1) != b"N"
            except OSError:
                ended = True
        assert ended is not is_taken, names


def test_the_front_makes_nobody_a_local_user(opened: OpenServer, address: Address) -> None:
    """Over the socket the owner needs no password. Through the front it is refused, and others need theirs."""
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
        psycopg.connect(changed(address, user="postgres").conninfo, connect_timeout=5)
    for password in ("wrong", ""):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(changed(address, password=password).conninfo, connect_timeout=5)
    with pytest.raises(psycopg.OperationalError, match="channel binding"):  # said at once, and not ignored
        psycopg.connect(changed(address, channel_binding="require").conninfo, connect_timeout=5)


def test_the_log_says_whose_connection_it_is(opened: OpenServer, address: Address) -> None:
    with connect(address) as conn:
        row = conn.execute(
            "SELECT client_addr::text, client_port FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchone()
        mine = socket.fromfd(conn.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        name = mine.getsockname()
        mine.close()
    assert row is not None
    log = (opened.server.data_dir / "front.log").read_text("utf-8")
    assert f" 127.0.0.1:{name[1]} is {row[0].split('/')[0]}:{row[1]}\n" in log
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(changed(address, password="wrong").conninfo)
    wrong = [line for line in (opened.server.data_dir / "server.log").read_text().splitlines() if "failed for" in line]
    port = wrong[-1].split("127.0.0.1(")[1].split(")")[0]
    log = (opened.server.data_dir / "front.log").read_text("utf-8")
    assert f" is 127.0.0.1:{port}\n" in log


@pytest.mark.parametrize("how", ["cancel_safe", "cancel"])
def test_a_statement_can_be_cancelled(address: Address, how: str) -> None:
    """`cancel` is libpq's older one, which sends its request in clear."""
    with connect(address) as conn, connect(address) as other:
        errors: list[BaseException] = []

        def sleep() -> None:
            try:
                conn.execute("SELECT pg_sleep(300)")
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=sleep)
        thread.start()
        active = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        wait_until(lambda: other.execute(active, (conn.info.backend_pid,)).fetchone() == (1,), what="the sleep")
        getattr(conn, how)()
        thread.join(60)
        assert [type(error) for error in errors] == [psycopg.errors.QueryCanceled]


def test_a_client_that_does_not_read_costs_no_memory(opened: OpenServer, address: Address) -> None:
    assert opened.front is not None
    process = psutil.Process(opened.front.pid)
    with connect(address) as conn, connect(opened.server.address) as owner:
        before = process.memory_info().rss
        conn.pgconn.send_query_params(b"SELECT repeat('x', 40000000)::bytea", [], result_format=1)
        waits = "SELECT wait_event FROM pg_stat_activity WHERE pid = %s"
        wait_until(
            lambda: owner.execute(waits, (conn.info.backend_pid,)).fetchone() == ("ClientWrite",),
            what="PostgreSQL to wait for the client",
        )
        assert process.memory_info().rss - before < 20e6
        result = conn.pgconn.get_result()
        assert result is not None
        assert result.get_value(0, 0) == b"x" * 40_000_000
        conn.pgconn.get_result()
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_run_through_it_has_the_digest_of_the_plain_loop(opened: OpenServer, address: Address) -> None:
    config = tiny()
    run = Coordinator(address, config)
    worker = FakeWorker(address)
    while run.thread.is_alive():
        worker.work()
    run.thread.join(60)
    with worker.conn as conn:
        assert conn.pgconn.ssl_in_use
    assert run.error is None
    assert run.digest == solo_digest(config)


def test_pieces_in_a_pipeline_go_through_it_both_ways(opened: OpenServer, address: Address) -> None:
    """TLS holds bytes of which the socket knows nothing: waiting for the socket alone could wait for ever."""
    with connect(address) as conn:
        assert conn.pgconn.ssl_in_use
        found = link_mbit(conn, seconds=60.0, most_bytes=20_000_000)
        assert found["up"] > 0
        assert found["down"] > 0
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_front_that_is_killed_comes_back_on_the_same_port(opened: OpenServer, address: Address) -> None:
    assert opened.front is not None
    assert opened.check() is None
    with connect(address) as conn:
        pid = opened.front.pid
        psutil.Process(pid).kill()
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT pg_sleep(60)")
    connected: list[psycopg.Connection] = []
    early = threading.Thread(target=lambda: connected.append(connect(address)))
    early.start()  # it waits for the next front, and is not refused
    assert "started again" in (opened.check() or "")
    early.join(30)
    with connected[0] as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert opened.front.pid != pid
    assert opened.check() is None


def test_a_front_that_ends_again_and_again_is_no_secret(opened: OpenServer) -> None:
    assert opened.front is not None
    opened.front._ends.clear()
    for _ in range(MAX_ENDS - 1):
        psutil.Process(opened.front.pid).kill()
        wait_until(lambda: opened.front._process.poll() is not None, what="its end")  # type: ignore[union-attr]
        opened.check()
    psutil.Process(opened.front.pid).kill()
    wait_until(lambda: opened.front._process.poll() is not None, what="its end")  # type: ignore[union-attr]
    with pytest.raises(DatabaseError, match=r"ended 5 times in a row; .*front\.log may say why"):
        opened.check()
    opened.front._ends.clear()
    opened.check()


def test_while_postgresql_is_away_clients_read_why(opened: OpenServer, address: Address) -> None:
    with connect(address) as conn:
        opened.server.restart()
        with pytest.raises(psycopg.errors.AdminShutdown):
            conn.execute("SELECT 1")
    connect(address).close()
    opened.server._pg_stop()
    try:
        with pytest.raises(DatabaseUnreachable, match="starting up or was stopped; try again"):
            connect(address)
    finally:
        opened.server._launch()
    connect(address).close()


def test_other_commands_print_lines_for_the_open_server(opened: OpenServer) -> None:
    """`address_for` is what a command uses that runs beside `ganns db serve`."""
    line = address_for(opened.server.data_dir, "student", "sesame")
    there = f"postgresql://student:sesame@127.0.0.1:{port_of(opened)}/ganns?"
    assert line.conninfo.startswith(there)
    assert line.conninfo.removeprefix(there) == opened.address("127.0.0.1").conninfo.partition("?")[2]


@contextmanager
def front_in_a_thread(certificate: Path, server_port: int) -> Iterator[tuple[int, fronts.Front]]:
    """Yield the port of a front in this process, whose constants a test may change."""
    front = fronts.Front(certificate, server_port)
    loop = asyncio.new_event_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        serving = loop.create_task(front.serve([listening]))
        thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([serving])))
        thread.start()
        try:
            yield port, front
        finally:
            loop.call_soon_threadsafe(serving.cancel)
            thread.join(20)
            loop.close()


def test_silent_and_too_many_clients_are_cut_off(
    opened: OpenServer, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fronts, "HANDSHAKE_S", 0.3)
    monkeypatch.setattr(fronts, "MAX_OPEN", 2)
    with front_in_a_thread(opened.server.data_dir / FILE, opened._inner[1]) as (port, front):
        for data in (b"", ASKS[:5], ASKS, b"\x16"):  # nothing, a piece, no TLS after the answer, a piece of TLS
            assert talk(port, data) == (b"S" if data == ASKS else b"")
        wait_until(lambda: not front._open, what="all to be cut off")
        monkeypatch.setattr(fronts, "HANDSHAKE_S", 20)
        with connect(changed(address, port=port)), connect(changed(address, port=port)):
            assert len(front._open) == 2
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(changed(address, port=port).conninfo, connect_timeout=5)
        wait_until(lambda: not front._open, what="both to leave")
        connect(changed(address, port=port)).close()


def certified(folder: Path) -> Path:
    """Make a key with a certificate for this machine's address, as a provider's server has one for its name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a provider")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), *VALID)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    text = builder.add_extension(here, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    file = folder / "provider.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + text)
    return file


def test_join_checks_a_providers_certificate_where_it_can(
    opened: OpenServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(encryption, "is_here", lambda host: False)  # as if it were far away
    file = certified(tmp_path)
    with front_in_a_thread(file, opened._inner[1]) as (port, _):
        line = f"postgresql://ganns_class:{opened.server.password}@127.0.0.1:{port}/ganns"
        assert join._with_proof(line) == line, "this machine's authorities do not know it"
        found = resolve(line)
        assert found is not None
        assert "nothing proves that this is the right server" in (encryption.weakness(found.conninfo) or "")
        connect(found).close()
        monkeypatch.setattr(encryption, "system_roots", lambda: str(file))
        better = join._with_proof(line)
        assert better == f"{line}?sslmode=verify-full"
        found = resolve(better)
        assert found is not None
        assert encryption.weakness(found.conninfo) is None
        elsewhere = better.replace("127.0.0.1", "localhost")  # a name that is not the certificate's
        with pytest.raises(DatabaseUnreachable, match="is for another name; it got no password"):
            connect(resolve(elsewhere))  # type: ignore[arg-type]


def test_a_worker_says_it_in_our_words(opened: OpenServer, address: Address, tmp_path: Path) -> None:
    with impostor(tmp_path) as (port, _):
        with pytest.raises(psycopg.OperationalError) as raised:
            psycopg.connect(changed(address, port=port).conninfo, connect_timeout=5)
        assert brief(raised.value).startswith("the server that answers is not the one of your address, since its")
    assert brief(ValueError("certificate")) == "ValueError: certificate"


@pytest.mark.slow
def test_two_hundred_clients_at_once(opened: OpenServer, address: Address) -> None:
    conns: list[psycopg.Connection] = []
    errors: list[BaseException] = []
    blob = BLOB[:1_000_000]

    def client() -> None:
        try:
            conns.append(conn := psycopg.connect(address.conninfo, autocommit=True))
            row = conn.execute("SELECT %b::bytea", (blob,), binary=True).fetchone()
            assert row == (blob,)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=client) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert len(conns) == 200
    for conn in conns:
        conn.close()
