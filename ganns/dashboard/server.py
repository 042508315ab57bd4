"""Put the dashboard together and serve it."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from nicegui import app, core, ui

from ganns.dashboard import away, documents, live, orders, pictures, plain, problems
from ganns.dashboard.dashboard import Dashboard
from ganns.dashboard.lab.lab import Lab
from ganns.dashboard.pages import compare, control, lab, learn, login, now, people, runs, sweep
from ganns.dashboard.security.guard import MAX_BODY, Guard
from ganns.dashboard.security.hosts import Hosts
from ganns.dashboard.security.policy import mark_scripts
from ganns.db.address import Address
from ganns.errors import DashboardError


def serve(
    address: Address,
    host: str,
    port: int,
    *,
    password: str = "",
    hostnames: Sequence[str] = (),
    failure_lab: bool = False,
) -> None:
    """Serve until Ctrl-C.

    Args:
        address: of the database.
        host: to listen on.
        port: to listen on.
        password: of the instructor.
        hostnames: further names under which it is reached, as through a proxy.
        failure_lab: whether the instructor may start workers here, and harm them.

    Raises:
        DashboardError: if the port is taken.
    """
    require_free(host, port)
    dashboard = Dashboard(address, password, cookie=f"ganns_session_{port}")
    parts = (problems, plain, away, live, pictures, now, documents, learn, people, runs, compare, sweep, login, orders)
    for part in parts:
        part.register(dashboard)
    control.register(dashboard, lab=failure_lab)
    if failure_lab:
        bench = Lab(address)
        lab.register(dashboard, bench)
        app.on_shutdown(bench.close)
    secure(dashboard, hostnames)
    # A bar without a name, at requests that nobody waits for.
    app.config.quasar_config["loadingBar"] = {"skipHijack": True}
    app.on_startup(dashboard.open)
    app.on_shutdown(dashboard.close)
    ui.run(
        host=host,
        port=port,
        title="GANNs with friends",
        favicon="🎭",
        language="en-US",
        dark=None,
        show=False,
        reload=False,
        tailwind=False,
        binding_refresh_interval=None,
        show_welcome_message=False,
        ws_per_message_deflate=False,  # many small messages: it would cost more CPU than it saves bytes
        ws_max_size=MAX_BODY,
        server_header=False,
        timeout_graceful_shutdown=3,  # browsers that watch would else keep it from ending
        access_log=False,
    )


def secure(dashboard: Dashboard, hostnames: Sequence[str]) -> None:
    """Put the guard around everything. NiceGUI gets no secret for sessions: viewers need none, and so get no cookie."""
    mark_scripts()
    # NiceGUI lets pages of every origin connect to its WebSocket ("*"); the guard lets only ours.
    core.sio.eio.cors_allowed_origins = []
    app.add_middleware(Guard, sessions=dashboard.sessions, hosts=Hosts(hostnames), cookie=dashboard.cookie)


def require_free(host: str, port: int) -> None:
    """Check that nobody listens there.

    Raises:
        DashboardError: if somebody does, or the address is not ours.
    """
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise DashboardError(
            f"The dashboard cannot listen on {host}:{port}: {error.strerror}. Choose another port: --port {port + 1}"
        ) from error
