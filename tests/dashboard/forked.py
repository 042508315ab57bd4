"""The main function of a dashboard that is forked from a process with its imports. Imports nothing heavy itself."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence


def run_dashboard(options: Sequence[str], variables: Mapping[str, str], log: str) -> None:
    """Run `ganns dashboard` with these options and variables, in a session of its own; what it prints goes to `log`."""
    os.setsid()
    number = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(number, stream.fileno())
        stream.reconfigure(line_buffering=True)
    for name in [name for name in os.environ if name.startswith("PYTEST")]:
        del os.environ[name]  # NiceGUI would take the process for one of its own tests
    os.environ.update(variables)
    multiprocessing.current_process().name = "MainProcess"  # in another one, NiceGUI serves nothing
    sys.argv = ["ganns", "dashboard", *options]
    from ganns.cli.app import main

    main()
