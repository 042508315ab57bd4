"""Put the dashboard together and serve it."""

from __future__ import annotations

import secrets
import socket

from nicegui import app, ui

from ganns.dashboard import away, documents, live, pictures
from ganns.dashboard.dashboard import Dashboard
from ganns.dashboard.pages import compare, learn, now, people, runs, sweep
from ganns.db.address import Address
from ganns.errors import DashboardError


def serve(address: Address, host: str, port: int) -> None:
    """Serve until Ctrl-C.

    Raises:
        DashboardError: if the port is taken.
    """
    require_free(host, port)
    dashboard = Dashboard(address)
    for part in (away, live, pictures, now, people, runs, compare, sweep, documents, learn):
        part.register(dashboard)
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
        storage_secret=secrets.token_hex(32),  # sessions end with the process
        ws_per_message_deflate=False,  # many small messages: it would cost more CPU than it saves bytes
        access_log=False,
    )


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
