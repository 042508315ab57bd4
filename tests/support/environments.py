"""New Python environments, as a user's, without a download: the tests' environment lends what the program needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer
from tests.support.helpers import ROOT, free_port

OFFLINE = {
    "PIP_NO_INDEX": "1",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": "",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it the wrong way round: hatchling is lent, not fetched
}
"""Variables with which pip fetches nothing: what is not there makes it fail."""


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a command that must succeed and return what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    line = list(map(str, command))
    done = subprocess.run(line, cwd=cwd, env=kept | variables, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def build_wheel(folder: Path) -> Path:
    """Build the checkout's wheel."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    [built] = folder.glob("ganns-*.whl")
    return built


def snapshot(folder: Path) -> str:
    """Commit what this checkout holds now to a repository of its own; return its address."""
    folder.mkdir()
    for name in run("git", "ls-files", "-z", "-co", "--exclude-standard", cwd=ROOT).split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    run("git", "init", "-q", cwd=folder)
    run("git", "add", "-A", cwd=folder)
    run("git", "-c", "user.name=test", "-c", "user.email=test@test.invalid", "commit", "-qm", "all", cwd=folder)
    return f"file://{folder}"


def new_environment(folder: Path) -> Path:
    """Make an environment that has torch and all the rest, but not this program; return its bin folder.

    The line in the .pth file adds a folder to the path without reading the .pth files in it, so that the editable
    install of the checkout stays out of sight. pip sees what is lent as installed elsewhere, and leaves it alone.
    """
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    lent = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (site_packages(folder) / "lent.pth").write_text("\n".join(lent) + "\n")
    return folder / "bin"


def site_packages(folder: Path) -> Path:
    """Return where an environment's own packages lie."""
    [found] = folder.glob("lib/python3*/site-packages")
    return found


@contextmanager
def served_database() -> Iterator[Address]:
    """Yield a migrated PostgreSQL that others reach over TCP; the address has the password in it.

    Not in pytest's folder: another session of pytest takes away the rights of the user who the server runs as.
    """
    with (
        tempfile.TemporaryDirectory(prefix="ganns-served-", ignore_cleanup_errors=True) as folder,
        EmbeddedServer(Path(folder) / "pg", host="127.0.0.1", port=free_port()) as server,
    ):
        with connect(server.address) as conn:
            migrate(conn)
        yield server.tcp_address("127.0.0.1")
