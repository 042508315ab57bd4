"""A process that ends the lab's workers if the dashboard is killed, and so could not do it itself.

    python -m ganns.dashboard.lab.keeper

The dashboard writes the number of each supervisor to its standard input. When that ends, the dashboard has ended.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress

import psutil

PATIENCE_S = 8.0


def end(roots: Iterable[psutil.Process], patience_s: float = PATIENCE_S) -> None:
    """Let processes and their children run, ask the roots to leave, and kill what is left `patience_s` s later."""
    roots = list(roots)
    everybody = list(roots)
    for root in roots:
        with suppress(psutil.NoSuchProcess):
            everybody += root.children(recursive=True)
    for one in everybody:
        with suppress(psutil.NoSuchProcess):
            one.resume()
    for root in roots:
        with suppress(psutil.NoSuchProcess):
            root.terminate()
    _, left = psutil.wait_procs(everybody, timeout=patience_s)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def main() -> None:
    """Remember who was started, until the pipe ends."""
    roots = []
    for line in sys.stdin:
        with suppress(psutil.NoSuchProcess):
            roots.append(psutil.Process(int(line)))
    end(roots)


if __name__ == "__main__":
    main()
