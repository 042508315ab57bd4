"""The class's address: a secret of Colab's, else the environment, else a prompt that does not show what is typed."""

from __future__ import annotations

import getpass
import importlib

from ganns.db.address import URL_VARIABLE, Address, resolve
from ganns.errors import NoDatabaseAddress

PROMPT = "The address that your instructor gave you, postgresql://... (it is not shown): "


def find_address() -> Address:
    """Return the address.

    Raises:
        ConfigError: if it is not a connection string; the message does not quote it.
        NoDatabaseAddress: if nobody gave one.
    """
    found = resolve(_colab_secret()) or resolve()
    if found is None:
        typed = getpass.getpass(PROMPT).strip()
        # Somebody may paste the whole line that `ganns db serve` prints.
        typed = typed.removeprefix(f"{URL_VARIABLE}=").removesuffix("ganns worker").strip().strip("'\"")
        found = resolve(typed)
    if found is None:
        raise NoDatabaseAddress(
            f"No database address: add a secret named {URL_VARIABLE} (the key in Colab's left margin), or run the cell "
            "again and paste it."
        )
    return found


def _colab_secret() -> str:
    """Return the secret; "" outside of Colab, or where there is none or this notebook may not read it."""
    try:
        userdata = importlib.import_module("google.colab.userdata")
    except ImportError:
        return ""
    try:
        return str(userdata.get(URL_VARIABLE) or "").strip()
    except Exception:  # its own classes: not found, no access, nobody answered in time
        return ""
