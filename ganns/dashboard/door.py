"""Where the dashboard listens, and the command that would let other machines in."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

PORT = 8080
"""The port of `ganns dashboard` without `--port`."""


@dataclass(frozen=True)
class Door:
    """Holds what a page needs to say how phones can come in."""

    listens: str = "127.0.0.1"
    """The address that the dashboard listens on."""
    command: str = "ganns dashboard --host 0.0.0.0"
    """The command that starts the same dashboard for other machines."""


def door(
    host: str, port: int, *, hostnames: Sequence[str] = (), failure_lab: bool = False, with_phones: bool = False
) -> Door:
    """Return the door of a dashboard with these options. The command keeps them: who copies it loses no page."""
    words = ["ganns", "dashboard", "--host", "0.0.0.0"]
    words += ["--port", str(port)] if port != PORT else []
    words += [word for name in hostnames for word in ("--hostname", name)]
    words += ["--failure-lab"] if failure_lab else []
    words += ["--phones"] if with_phones else []
    return Door(host, shlex.join(words))
