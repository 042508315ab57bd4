"""Assemble the dashboard and serve it."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from nicegui import app, core, ui

from ganns.dashboard import documents, plain, problems
from ganns.dashboard.api import drawn, live, orders, pictures
from ganns.dashboard.context import Dashboard
from ganns.dashboard.lab.actions import Lab
from ganns.dashboard.lab.predictions import Predictions
from ganns.dashboard.pages import (
    compare,
    instructor,
    lab,
    learn,
    login,
    microscope,
    now,
    people,
    phones,
    projector,
    replays,
    runs,
    vote,
)
from ganns.dashboard.phones.coordinator import Coordinator
from ganns.dashboard.policy import mark_scripts
from ganns.dashboard.reach import Reach
from ganns.dashboard.security.guard import MAX_BODY, Guard
from ganns.dashboard.security.hosts import Hosts
from ganns.db.address import Address
from ganns.errors import DashboardError

FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="12" cy="16" r="9" fill="#0072b2"/>'
    '<circle cx="20" cy="16" r="9" fill="#f29a5c" fill-opacity=".85"/></svg>'
)
"""The generator and the discriminator. A sign of a font would be an empty box on some machines."""


def serve(
    address: Address,
    host: str,
    port: int,
    *,
    password: str = "",
    hostnames: Sequence[str] = (),
    failure_lab: bool = False,
    with_phones: bool = False,
) -> None:
    """Serve until Ctrl-C.

    Args:
        address: of the database.
        host: the address to listen on.
        port: the port to listen on.
        password: of the instructor.
        hostnames: more names of the dashboard, for example behind a proxy.
        failure_lab: whether the instructor may start workers here and harm them.
        with_phones: whether phones may train a small GAN, at `/phones`.

    Raises:
        DashboardError: the port is taken.
    """
    require_free(host, port)
    reach = Reach(host, port, hostnames, failure_lab, with_phones)
    dashboard = Dashboard(address, password, cookie=f"ganns_session_{port}", reach=reach)
    pages = (now, projector, documents, learn, microscope, people, runs, compare, replays, login)
    for part in (problems, plain, live, pictures, drawn, *pages, orders):
        part.register(dashboard)
    instructor.register(dashboard, lab=failure_lab)
    if failure_lab:
        failures, predictions = Lab(address), Predictions(dashboard)
        lab.register(dashboard, failures, predictions)
        vote.register(predictions)
        app.on_shutdown(predictions.close)
        app.on_shutdown(failures.close)
    if with_phones:
        coordinator = Coordinator(address)
        phones.register(dashboard, coordinator)
        app.on_startup(coordinator.open)
        app.on_shutdown(coordinator.close)
    secure(dashboard, hostnames)
    # Its bar has no accessible name, and it would appear at requests in the background.
    app.config.quasar_config["loadingBar"] = {"skipHijack": True}
    app.on_startup(dashboard.open)
    app.on_shutdown(dashboard.close)
    ui.run(
        host=host,
        port=port,
        title="GANNs with friends",
        favicon=FAVICON,
        language="en-US",
        dark=None,
        show=False,
        reload=False,
        tailwind=False,
        binding_refresh_interval=None,
        show_welcome_message=False,
        ws_per_message_deflate=False,  # the messages are small: compressing them is not worth its CPU time
        ws_max_size=MAX_BODY,
        server_header=False,
        timeout_graceful_shutdown=3,  # else open pages keep it from ending
        access_log=False,
    )


def secure(dashboard: Dashboard, hostnames: Sequence[str]) -> None:
    """Put the guard around the whole application. NiceGUI gets no secret for sessions, so viewers get no cookie."""
    mark_scripts()
    # NiceGUI accepts WebSockets from every origin ("*"); the guard accepts only ours.
    core.sio.eio.cors_allowed_origins = []
    app.add_middleware(Guard, sessions=dashboard.sessions, hosts=Hosts(hostnames), cookie=dashboard.cookie)


def require_free(host: str, port: int) -> None:
    """Check that the port is free.

    Raises:
        DashboardError: another program listens there, or the address does not belong to this machine.
    """
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise DashboardError(
            f"The dashboard cannot listen on {host}:{port}: {error.strerror}. Choose another port: --port {port + 1}"
        ) from error
