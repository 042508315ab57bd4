"""The TLS front: a process before the embedded PostgreSQL, whose programs cannot encrypt.

    client --- TLS ---> front --- this machine only ---> PostgreSQL

It answers a client's request for TLS as PostgreSQL does, and from then on only passes bytes on, in both directions. It
reads no login and no password. PostgreSQL asks each client for its password by SCRAM, as over any network: the front
comes from 127.0.0.1, for which `pg_hba.conf` has no exception, so a stranger gains nothing by it. A client that does
not encrypt is refused before it has sent a password.

SCRAM can also bind the password to the certificate (channel binding); a server without TLS of its own does not offer
it, and clients then leave it out. The certificate in the line does the same: see `ganns.db.certificate`.

    python -m ganns.db.server.front --sockets 5,6 --server 40123 --certificate pg/ganns_tls.pem --log pg/front.log

`ganns.db.server.front_process` starts it with the listening sockets. It ends when its standard input is closed: then
the process that started it is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ganns.db.server.relay import ClientSide, ServerSide, keep_alive
from ganns.db.server.startup import HEADER_BYTES, MAX_START_BYTES, Opening, fatal, opening, packet_bytes

HANDSHAKE_S = 10.0
"""A client that has not begun its session by then is cut off: a silent one costs a file and nothing more."""
MAX_OPEN = 500
"""Connections at a time, more than PostgreSQL's own: past those, it is PostgreSQL that says no."""
LOG_BYTES = 1_000_000
REFUSAL = (
    "this server takes only encrypted connections; remove sslmode=disable from the address, "
    "or use the line that `ganns db serve` prints"
)
AWAY = "the database system is starting up or was stopped; try again"
PROTOCOL = "postgresql"
"""The name that clients of direct TLS give (ALPN): PostgreSQL insists on it, too."""
log = logging.getLogger(__name__)


class Refused(Exception):
    """A client that gets no connection; the text says why."""


class Front:
    """Takes connections, makes them TLS, and passes them on to a port of this machine."""

    def __init__(self, certificate: Path, server_port: int) -> None:
        """Prepare; `certificate` has the private key and the certificate."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(certificate)
        self._context.set_alpn_protocols([PROTOCOL])
        self._context.options |= ssl.OP_NO_RENEGOTIATION
        self._context.num_tickets = 0  # a client of PostgreSQL resumes no session
        self._server_port = server_port
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, listeners: Sequence[socket.socket]) -> None:
        """Take connections until cancelled."""
        await asyncio.gather(*(self._accept(one) for one in listeners))

    async def _accept(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        while True:
            try:
                client, address = await asyncio.get_running_loop().sock_accept(listener)
            except OSError as error:  # such as "too many open files": those who are in stay in
                log.warning("cannot take a connection: %s", error)
                await asyncio.sleep(0.2)
                continue
            if len(self._open) >= MAX_OPEN:
                log.warning("%s:%s refused: %s connections are open", *address[:2], MAX_OPEN)
                client.close()
                continue
            client.setblocking(False)
            task = asyncio.create_task(self._handle(client, f"{address[0]}:{address[1]}"))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _handle(self, client: socket.socket, name: str) -> None:
        """Serve one client to the end of its connection."""
        side: ClientSide | None = None
        try:
            keep_alive(client)
            async with asyncio.timeout(HANDSHAKE_S):
                side = await self._encrypt(client)
                if side is None:  # a request to cancel, which is done
                    return
                await side.has_begun.wait()
            await self._connect(side, name)
            await side.is_over.wait()
        except TimeoutError:
            log.info("%s refused: no session within %s s", name, HANDSHAKE_S)
        except ssl.SSLError as error:
            is_old = error.reason == "TLSV1_ALERT_UNKNOWN_CA"
            log.info("%s refused: %s", name, "it expects another certificate: an old line" if is_old else error)
        except (Refused, OSError) as error:
            log.info("%s refused: %s", name, error)
        finally:
            if side is not None:
                side.transport.close()
            else:
                client.close()

    async def _encrypt(self, client: socket.socket) -> ClientSide | None:
        """Return the client's side once TLS is agreed on; None if the client only wanted to cancel a statement.

        Raises:
            Refused: the client does not encrypt, or speaks another protocol.
        """
        loop = asyncio.get_running_loop()
        asked_for_gss = False
        while True:
            header = await _peek(client)
            kind = opening(header)
            if kind is Opening.ASKS_FOR_GSS and not asked_for_gss:
                await loop.sock_recv(client, HEADER_BYTES)
                await loop.sock_sendall(client, b"N")
                asked_for_gss = True
                continue
            if kind is Opening.CANCELS:
                # libpq's older function sends it in clear also where the session is encrypted.
                await self._cancel(await _receive(client, packet_bytes(header)))
                return None
            if kind is Opening.PLAIN:
                await _receive(client, min(packet_bytes(header), MAX_START_BYTES))
                await loop.sock_sendall(client, fatal("28000", REFUSAL))
                raise Refused("it does not encrypt")
            if kind not in (Opening.TLS, Opening.ASKS_FOR_TLS):
                raise Refused("it is no client of PostgreSQL")
            break
        if kind is Opening.ASKS_FOR_TLS:
            await loop.sock_recv(client, HEADER_BYTES)
            # What follows before our answer was not encrypted, perhaps by an attacker in between (CVE-2021-23214).
            with suppress(BlockingIOError):
                if client.recv(1, socket.MSG_PEEK):
                    raise Refused("it sent bytes in clear after its request for TLS")
            await loop.sock_sendall(client, b"S")
        _, side = await loop.connect_accepted_socket(
            ClientSide, client, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S
        )
        if kind is Opening.TLS and side.chosen_protocol() != PROTOCOL:
            side.transport.abort()
            raise Refused("it began TLS without naming the protocol")
        return side

    async def _connect(self, client: ClientSide, name: str) -> None:
        """Connect the client's side to PostgreSQL, and pass on what has arrived."""
        if client.is_over.is_set():
            raise Refused("it closed the connection")
        try:
            transport, server = await asyncio.get_running_loop().create_connection(
                lambda: ServerSide(client), "127.0.0.1", self._server_port
            )
        except OSError as error:
            client.transport.write(fatal("57P03", AWAY))
            raise Refused(f"PostgreSQL does not answer: {error}") from error
        # PostgreSQL's own list and log know this client by the second of the two.
        log.info("%s is 127.0.0.1:%s", name, transport.get_extra_info("sockname")[1])
        client.join(server)

    async def _cancel(self, request: bytes) -> None:
        """Hand a request to cancel on, and wait until PostgreSQL has dealt with it: it then closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        writer.write(request)
        await reader.read()
        writer.close()


async def _peek(client: socket.socket) -> bytes:
    """Return a connection's first bytes, enough to know what it begins with, and leave them unread."""
    while True:
        await _readable(client)
        with suppress(BlockingIOError):
            header = client.recv(HEADER_BYTES, socket.MSG_PEEK)
            if not header:
                raise Refused("it closed the connection")
            if opening(header) is not None:
                return header
            await asyncio.sleep(0.02)  # the rest is still on the way; what is here stays readable


async def _readable(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    is_readable = asyncio.Event()
    loop.add_reader(client, is_readable.set)
    try:
        await is_readable.wait()
    finally:
        loop.remove_reader(client)


async def _receive(client: socket.socket, count: int) -> bytes:
    """Return exactly `count` bytes."""
    data = b""
    while len(data) < count:
        more = await asyncio.get_running_loop().sock_recv(client, count - len(data))
        if not more:
            raise Refused("it closed the connection")
        data += more
    return data


def _open_log(path: Path) -> None:
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # each client that vanishes would be a traceback


def _drop_rights(owner: str) -> None:
    """As root, go on as the user that runs PostgreSQL: what listens to a network should not be root."""
    import pwd  # not on Windows

    user = pwd.getpwnam(owner)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def _allow_files(count: int) -> None:
    """Raise this process's limit of open files: macOS allows 256."""
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        count = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


async def _run(front: Front, listeners: Sequence[socket.socket]) -> None:
    """Serve until standard input is closed."""
    is_over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), is_over.set)
    serving = asyncio.create_task(front.serve(listeners))
    over = asyncio.create_task(is_over.wait())
    await asyncio.wait([serving, over], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()  # raises


def main() -> None:
    """Run the front."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sockets", required=True, help="numbers of the listening sockets, with commas")
    parser.add_argument("--server", type=int, required=True, help="PostgreSQL's port on this machine")
    parser.add_argument("--certificate", type=Path, required=True, help="a file with the key and the certificate")
    parser.add_argument("--log", type=Path, required=True, help="the file for messages")
    parser.add_argument("--user", default="", help="go on as this user, who owns the log's folder")
    arguments = parser.parse_args()

    listeners = [socket.socket(fileno=int(number)) for number in arguments.sockets.split(",")]
    front = Front(arguments.certificate, arguments.server)
    _allow_files(2 * MAX_OPEN + 50)
    if arguments.user:
        _drop_rights(arguments.user)
    _open_log(arguments.log)
    asyncio.run(_run(front, listeners))
    os._exit(0)  # connections that are open end with the process


if __name__ == "__main__":
    main()
