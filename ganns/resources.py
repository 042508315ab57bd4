"""Where the files that are not Python lie: in a checkout, in an installed wheel, and below the user's home."""

from __future__ import annotations

import os
from pathlib import Path

from ganns.errors import ResourceMissing

_PACKAGE = Path(__file__).resolve().parent


def conf_dir() -> Path:
    """Return the folder of Hydra's configuration groups."""
    return _find("conf")


def sql_dir() -> Path:
    """Return the folder that holds `migrations/` and `queries/`."""
    return _find("sql")


def home() -> Path:
    """Return $GANNS_HOME or ~/.ganns, created on first use: pg/, data/ and state/ lie below it."""
    path = Path(os.environ.get("GANNS_HOME") or "~/.ganns").expanduser().resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def _find(name: str) -> Path:
    """Look inside the package (a wheel puts the folder there), then beside it (a checkout)."""
    for path in (_PACKAGE / name, _PACKAGE.parent / name):
        if path.is_dir():
            return path
    raise ResourceMissing(
        f"The folder {name!r} is neither in {_PACKAGE} nor beside it; reinstall with `pip install -e .`."
    )
