"""What a worker tells its supervisor: one JSON object a line, down a pipe that only the two of them have.

    {"event": "heartbeat", "worker": 7}             the database took our heartbeat: we live, and so does it
    {"event": "waiting", "reason": "..."}           the event loop lives, but a new connection failed
    {"event": "started", "job": 3, "attempt": 0, "time_limit": 60.0}      seconds, or null for no limit
    {"event": "finished", "job": 3}
    {"event": "terminate", "job": 3}                kill this process, as Celery's `revoke(terminate=True)`
    {"event": "status", "text": "..."}              for the person who looks on

Any code in a worker may report, on any thread, also where there is no supervisor (the stock worker): then nothing
happens. Reporting never raises and never waits: whoever looks on must not be able to stop the work.
"""

from __future__ import annotations

import json
import os

FD_VARIABLE = "GANNS_SUPERVISOR_FD"
PID_VARIABLE = "GANNS_SUPERVISOR_PID"
"""Said by the supervisor: a child that asks for its parent too late, asks when it has another one already."""
LINE_BYTES = 4000
"""A line below PIPE_BUF (4096 bytes on Linux) is written whole or not at all, so that threads cannot mix theirs."""


def report(event: dict[str, object]) -> None:
    """Send one event to the supervisor, if there is one."""
    number = os.environ.get(FD_VARIABLE, "")
    if not number.isdecimal():
        return
    try:
        line = json.dumps(event, default=str).encode() + b"\n"
        if len(line) <= LINE_BYTES:  # the longest one we mean to send has a few hundred bytes
            os.write(int(number), line)
    except (OSError, ValueError, TypeError, RecursionError):
        # A full pipe (the supervisor is stopped) or none (it is gone): the worker notices that elsewhere.
        return
