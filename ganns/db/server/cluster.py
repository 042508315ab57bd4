"""A new PostgreSQL cluster, set up for a class."""

from __future__ import annotations

import shutil
from pathlib import Path

from ganns.db.server.programs import hand_over, run_program
from ganns.errors import DatabaseError

OWNER = "postgres"
SETTINGS = {
    "max_connections": "300",  # a worker uses about three
    "shared_buffers": "512MB",  # a few rounds' weights and results: what does not fit is written to disk and read again
    "max_wal_size": "2GB",
    "wal_level": "minimal",  # nobody replicates it
    "max_wal_senders": "0",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
}
LOGINS = "host all all all scram-sha-256\n"
"""For when it listens on TCP: from everywhere, with the password only."""


def create_cluster(data_dir: Path) -> None:
    """Make a cluster in `data_dir`, owned by OWNER.

    It is made beside its place and moved there when it is whole: a killed initdb leaves nothing that looks usable.

    Raises:
        DatabaseError: if initdb fails, or `data_dir` has something else in it.
    """
    new = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    hand_over(new)
    run_program(
        "initdb",
        *("-D", str(new), "-U", OWNER, "--encoding=UTF8", "--no-sync"),
        *("--auth-local=trust", "--auth-host=scram-sha-256"),
        # Our blobs carry digests of their own, and PostgreSQL's checksums cost a pass over every page.
        "--no-data-checksums",
    )
    with (new / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
    with (new / "pg_hba.conf").open("a") as file:
        file.write(LOGINS)
    try:
        new.rename(data_dir)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        raise DatabaseError(
            f"{data_dir} has files in it, but no PostgreSQL: move it away, or set GANNS_HOME to another folder."
        ) from error
