"""Say how other machines reach the dashboard: where it listens, and the command that would let them in."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

PORT = 8080
"""The port of `ganns dashboard` without `--port`."""


@dataclass(frozen=True)
class Reach:
    """The options of a dashboard that decide who can reach what."""

    listens: str = "127.0.0.1"
    """The address that it listens on."""
    port: int = PORT
    hostnames: Sequence[str] = ()
    failure_lab: bool = False
    with_phones: bool = False

    @property
    def command(self) -> str:
        """The command that starts the same dashboard for other machines: who copies it loses no page."""
        words = ["ganns", "dashboard", "--host", "0.0.0.0"]
        words += ["--port", str(self.port)] if self.port != PORT else []
        words += [word for name in self.hostnames for word in ("--hostname", name)]
        words += ["--failure-lab"] if self.failure_lab else []
        words += ["--phones"] if self.with_phones else []
        return shlex.join(words)
