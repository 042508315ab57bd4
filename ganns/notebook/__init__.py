"""Join a class from a notebook (`notebooks/join_colab.ipynb`): one call that computes, shows what happens, and leaves.

    from ganns.notebook import join
    join()

The worker is a process of its own: a kernel that is started again, or a browser that lost its tab, does not end it, and
the cell, run again, finds it. Interrupting the cell ends it: its unit goes back to the class.
"""

from __future__ import annotations

import time

from ganns import paths
from ganns.notebook.background import BackgroundWorker
from ganns.notebook.look import Look
from ganns.notebook.panel import Panel
from ganns.notebook.secret import find_address
from ganns.utils.extras import extra

EVERY_S = 2.0


def join(name: str = "") -> None:
    """Compute for the class until the cell is interrupted, and show how it goes.

    Args:
        name: yours, as the class sees it; "" takes the worker that runs already, or a name made of user and machine.

    Raises:
        MissingExtra: outside of a notebook, where there is nothing to show it on.
        ConfigError: if the address cannot be read.
        NoDatabaseAddress: if none was given.
    """
    with extra("notebooks", "Joining from a notebook"):
        import IPython.display  # noqa: F401
    address = find_address()
    worker = BackgroundWorker(paths.home() / "notebook", address, name)
    panel = Panel()
    panel.say(f"{worker.start()}; {address}")
    look = Look(address, worker.name)
    try:
        while True:
            worker.keep()
            panel.show(look.look(), worker.last_line())
            time.sleep(EVERY_S)
    except KeyboardInterrupt:
        panel.say("leaving: what your worker holds goes to others")
    finally:
        # Whatever ended this cell: nobody would see the worker any more.
        look.close()
        panel.say(worker.leave())
