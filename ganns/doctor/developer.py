"""Check the tools of the tests, which only developers need. This check runs only in a checkout."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ganns import paths
from ganns.utils.checks import Finding, ok, warning

Which = Callable[[str], str | None]
TOOLS = {
    "make": (("make",), "`make test`, `make check`"),
    "chromium": (("chromium", "chromium-browser", "google-chrome"), "the dashboard's tests"),
    "pgbouncer": (("pgbouncer",), "the tests of workers behind a pooler"),
}
"""Package -> (one of these programs, the commands or tests that need it)."""


def is_checkout(find: Callable[[str], object] = find_spec) -> bool:
    """Tell whether this is a checkout with the developers' packages."""
    root: Path = paths.conf_dir().parent
    return (root / "tests").is_dir() and find("pytest") is not None


def check_tools(which: Which = shutil.which) -> Finding:
    """Tell whether the programs are installed that the tests need beyond Python."""
    missing = [name for name, (programs, _) in TOOLS.items() if not any(which(one) for one in programs)]
    if missing:
        needs = "; ".join(f"{name} is for {TOOLS[name][1]}" for name in missing)
        return warning("developers", f"not found: {needs}", f"on Debian: `apt-get install {' '.join(missing)}`")
    return ok("developers", "make, chromium and pgbouncer are here")
