"""Give the embedded server's database and roles to the program's own login, at each start, as the superuser.

No command works as the superuser, who could run programs and read files on this machine (`COPY ... FROM PROGRAM`). The
coordinator and all commands of this machine are `ganns_owner`: it owns the database, and may create logins for
students and end their sessions. What only a superuser may do is done here.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from ganns import paths
from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.db.server.programs import CLASS_LOGIN, OWNER, SUPERUSER
from ganns.errors import DatabaseError


def prepare_server(conn: Connection, database: str, password: str | None) -> None:
    """Create the roles and the database that are missing.

    Args:
        conn: a connection of the superuser to another database of the server.
        database: the name of ours.
        password: of the class's login; None if the server is open to this machine alone.
    """
    if password is not None:
        login = sql.Identifier(CLASS_LOGIN)
        if execute(conn, "role_exists", name=CLASS_LOGIN).fetchone() is None:
            conn.execute(sql.SQL("CREATE ROLE {} LOGIN").format(login))
        # Encrypted on this side: the server writes a failed statement to its log, and this one has a password.
        verifier = conn.pgconn.encrypt_password(password.encode(), CLASS_LOGIN.encode(), b"scram-sha-256")
        conn.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(login, verifier.decode()))
        conn.execute(sql.SQL("ALTER ROLE {} PASSWORD NULL").format(sql.Identifier(SUPERUSER)))
    _run_script(conn, "own_server")
    if execute(conn, "database_exists", name=database).fetchone() is None:
        statement = sql.SQL("CREATE DATABASE {} OWNER {}")
        conn.execute(statement.format(sql.Identifier(database), sql.Identifier(OWNER)))


def prepare_database(conn: Connection) -> None:
    """Give the database, and what an older program's superuser made in it, to the owner; take from all what few need.

    Args:
        conn: a connection of the superuser to our database.

    Raises:
        DatabaseError: if an older program's session holds a lock on what should change hands.
    """
    try:
        _run_script(conn, "own_database")
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
        raise DatabaseError(
            f"The tables of the embedded PostgreSQL should belong to the login {OWNER} from now on, and a command of "
            "an older program uses them: end the other `ganns` commands of this machine, and type this again."
        ) from error
    _run_script(conn, "fence")


def _run_script(conn: Connection, name: str) -> None:
    conn.execute((paths.sql_dir() / "schema" / f"{name}.sql").read_text("utf-8"))
