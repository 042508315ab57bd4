"""Start Python so that the working directory hides no module.

`python -m` and `python -c` search the working directory first. A student's folder may have a `tasks.py`, `random.py` or
`queue.py`, and our processes would import those instead of what they need.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

MODULE = [sys.executable, "-P", "-m"]
"""The beginning of a command that runs a module of ours in another process."""


def leave_out_the_folder() -> None:
    """Let no process that this one starts search the working directory, those of `multiprocessing` included."""
    os.environ["PYTHONSAFEPATH"] = "1"


def add_the_folder() -> None:
    """Search the working directory last: a student's own module is found there, and hides nothing."""
    with suppress(OSError):  # it may have been deleted
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
