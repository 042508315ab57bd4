"""Events that a worker sends to its supervisor: one JSON object in each line of a pipe between the two.

    {"event": "heartbeat", "worker": 7, "rescue_is_vacant": false}        the database accepted our heartbeat
    {"event": "waiting", "reason": "..."}           the event loop runs, but a new connection failed
    {"event": "preparing", "text": "..."}           before it takes jobs that need it; "" at the end
    {"event": "started", "job": 3, "attempt": 0, "time_limit": 60.0}      seconds, or null for no limit
    {"event": "finished", "job": 3}
    {"event": "terminate", "job": 3}                kill this process, like Celery's `revoke(terminate=True)`
    {"event": "status", "text": "..."}              a line for the terminal
    {"event": "unusable", "text": "..."}            its app cannot be loaded, or its device cannot compute

Any code in a worker may report, on any thread. Without a supervisor (the stock worker) nothing happens. A report never
raises and never waits: the supervisor must not be able to stop the work.
"""

from __future__ import annotations

import json
import os

FD_VARIABLE = "GANNS_SUPERVISOR_FD"
PID_VARIABLE = "GANNS_SUPERVISOR_PID"
"""Set by the supervisor. A child that asks the system for its parent may ask too late and get another process."""
LINE_BYTES = 4000
"""The system writes a line below PIPE_BUF (4096 bytes on Linux) whole or not at all: threads cannot mix their lines."""


def report(event: dict[str, object]) -> None:
    """Send one event to the supervisor, if there is one."""
    number = os.environ.get(FD_VARIABLE, "")
    if not number.isdecimal():
        return
    try:
        line = json.dumps(event, default=str).encode() + b"\n"
        if len(line) <= LINE_BYTES:  # ours have a few hundred bytes at most
            os.write(int(number), line)
    except (OSError, ValueError, TypeError, RecursionError):
        # The pipe is full (the supervisor is stopped) or closed (it is gone): the worker notices that elsewhere.
        return
