"""Join a class from a notebook (`notebooks/join_colab.ipynb`): one call runs a worker and shows the class.

    from ganns.notebook import join
    join()

The worker is a process of its own. It goes on after a restart of the kernel or a closed browser tab, and the cell finds
it again. An interrupt of the cell ends it, and its unit goes back to the class.
"""

from __future__ import annotations

import getpass
import importlib
import time

from ganns import paths
from ganns.db.address import URL_VARIABLE, Address, resolve
from ganns.errors import NoDatabaseAddress
from ganns.notebook.background import BackgroundWorker
from ganns.notebook.class_view import ClassReader
from ganns.notebook.panel import Panel
from ganns.utils.installation import extra

EVERY_S = 2.0
PROMPT = "The address that your instructor gave you, postgresql://... (it is not shown): "


def join(name: str = "") -> None:
    """Compute for the class until the cell is interrupted, and show the progress.

    Args:
        name: your name in the class; "" means the name of a worker that runs already, or user@machine.

    Raises:
        MissingExtra: outside of a notebook.
        ConfigError: if the address is not a connection string.
        NoDatabaseAddress: if none was given.
    """
    with extra("notebooks", "Joining from a notebook"):
        import IPython.display  # noqa: F401
    address = find_address()
    worker = BackgroundWorker(paths.home() / "notebook", address, name)
    panel = Panel()
    panel.say(f"{worker.start()}; {address}")
    reader = ClassReader(address, worker.name)
    try:
        while True:
            worker.keep()
            panel.show(reader.read(), worker.last_line())
            time.sleep(EVERY_S)
    except KeyboardInterrupt:
        panel.say("leaving: your worker's jobs go to other workers")
    finally:
        # Whatever ended this cell: without it, the worker would run unseen.
        reader.close()
        panel.say(worker.leave())


def find_address() -> Address:
    """Return the class's address: from Colab's secrets, else from the environment, else from a hidden prompt.

    Raises:
        ConfigError: if the address is not a connection string; the message does not quote it.
        NoDatabaseAddress: if none is given.
    """
    found = resolve(_colab_secret()) or resolve()
    if found is None:
        found = resolve(getpass.getpass(PROMPT).strip())
    if found is None:
        raise NoDatabaseAddress(
            f"No database address: add a secret named {URL_VARIABLE} (the key in Colab's left margin), or run the cell "
            "again and paste it."
        )
    return found


def _colab_secret() -> str:
    """Return the secret; "" outside of Colab, without a secret, or if this notebook may not read it."""
    try:
        userdata = importlib.import_module("google.colab.userdata")
    except ImportError:
        return ""
    try:
        return str(userdata.get(URL_VARIABLE) or "").strip()
    except Exception:  # Colab's own classes: not found, no access, no answer in time
        return ""
