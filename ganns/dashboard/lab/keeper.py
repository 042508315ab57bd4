"""A process that ends the lab's workers if the dashboard was killed and could not do it.

    python -m ganns.dashboard.lab.keeper

The dashboard writes the process number of each supervisor to its standard input. When the input ends, the dashboard has
ended.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress

import psutil

GRACE_S = 8.0


def end(roots: Iterable[psutil.Process], grace_s: float = GRACE_S) -> None:
    """Resume processes and their children, ask the roots to end, and kill those that still run `grace_s` s later."""
    roots = list(roots)
    processes = list(roots)
    for root in roots:
        with suppress(psutil.NoSuchProcess):
            processes += root.children(recursive=True)
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.resume()
    for root in roots:
        with suppress(psutil.NoSuchProcess):
            root.terminate()
    _, left = psutil.wait_procs(processes, timeout=grace_s)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def main() -> None:
    """Collect the supervisors until the pipe ends, then end them."""
    roots = []
    for line in sys.stdin:
        with suppress(psutil.NoSuchProcess):
            roots.append(psutil.Process(int(line)))
    end(roots)


if __name__ == "__main__":
    main()
