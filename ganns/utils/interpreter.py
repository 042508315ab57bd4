"""Start Python so that the working directory hides no module.

`python -m` and `python -c` search the working directory first. A student's folder may have a `tasks.py`, `random.py` or
`queue.py`, and our processes would import those instead of what they need.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

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


def import_own(name: str) -> None:
    """Import a student's own module or package from the working directory, also if an installed one has its name.

    Only this name is looked for there first (torch-fidelity installs a package `tests`): what the module imports is
    found as always, so a `queue.py` beside it hides nothing. Without such a module nothing happens.
    """
    if name in sys.modules:
        return
    try:
        spec = PathFinder.find_spec(name, [os.getcwd()])
    except OSError:  # the working directory was deleted
        return
    if spec is None or spec.loader is None or spec.origin is None:
        return
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
