"""Students' logins: a database role each, with a row in ganns.students.

The passwords are made here. The server gets only a SCRAM verifier (RFC 5802), from which nobody can compute the
password: a server's log, `pg_stat_activity` and the database never have it. It is returned once, for the line that the
student gets, and kept nowhere.
"""

from __future__ import annotations

import csv
import re
import secrets
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from ganns import paths
from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.errors import ConfigError, DatabaseError
from ganns.utils.printable import printable

GROUP = "ganns_student"
"""The role that has all students' rights; sql/schema/students.sql lists them."""
MAX_WORKERS = 4
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Of a login's name: no letters that look like others. It says nothing of the student, since all logins see it."""
LABEL = re.compile(r"[^\W_][^:\x00-\x1f\x7f-\x9f]{0,59}")
HEADERS = ("student", "name", "label")
PASSWORD_BYTES = 18


@dataclass(frozen=True)
class NewLogin:
    """A login with its password, which is nowhere else. `repr` does not show it."""

    label: str
    login: str
    password: str

    def __repr__(self) -> str:
        """Return everything except the password."""
        return f"NewLogin(label={self.label!r}, login={self.login!r})"


def add(conn: Connection, label: str, *, max_workers: int = MAX_WORKERS) -> NewLogin:
    """Create a student's login.

    Args:
        conn: a connection of the database's owner, who may create roles.
        label: the name that the class sees: 1 to 60 characters, no colon.
        max_workers: how many workers the student may run at a time.

    Raises:
        ConfigError: for a label that is no name, or that another student has.
        DatabaseError: if this login may not create roles.
    """
    check_label(label)
    check_free(conn, [label])
    _require_rights(conn)
    login = "s_" + "".join(secrets.choice(LETTERS) for _ in range(10))
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    with conn.transaction():
        conn.execute((paths.sql_dir() / "schema" / "fence.sql").read_text("utf-8"))
        name, verifier = sql.Identifier(login), _verifier(conn, login, password)
        # A worker has three connections, two more for moments; the supervisor, `ganns doctor` and a restart need some.
        limit = sql.Literal(4 * max_workers + 4)
        create = sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {} IN ROLE {}")
        conn.execute(create.format(name, limit, verifier, sql.Identifier(GROUP)))
        database = sql.Identifier(conn.info.dbname)
        conn.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = ganns_api").format(name, database))
        if not _rights(conn)["is_superuser"]:  # to end the student's sessions, one must have the student's rights
            conn.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
        execute(conn, "insert_student", login=login, label=label, max_workers=max_workers)
    return NewLogin(label, login, password)


def rotate(conn: Connection, name: str) -> NewLogin:
    """Give a student a new password, and let a revoked one in again. Sessions with the old one end.

    Args:
        conn: a connection of the database's owner.
        name: the student's label or login.

    Raises:
        ConfigError: if there is no such student.
    """
    student = require(conn, name)
    if not student["has_role"]:
        raise ConfigError(f"The role of {name!r} is not on this server: `ganns students remove` it, and add it again.")
    login, password = student["login"], secrets.token_urlsafe(PASSWORD_BYTES)
    _alter(conn, sql.SQL("ALTER ROLE {} NOLOGIN"), login)  # so that nobody returns with the old password meanwhile
    _end(conn, login)
    with conn.transaction():
        verifier = _verifier(conn, login, password)
        conn.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(login), verifier))
        execute(conn, "set_revoked", login=login, revoked=False)
    return NewLogin(student["label"], login, password)


def revoke(conn: Connection, name: str) -> tuple[int, int]:
    """Throw a student out: no new session, no old one, and what the workers held runs elsewhere at once.

    Returns:
        The numbers of ended sessions and of jobs that were handed on.

    Raises:
        ConfigError: if there is no such student.
        DatabaseError: if a session could not be ended.
    """
    student = require(conn, name)
    if student["has_role"]:
        _alter(conn, sql.SQL("ALTER ROLE {} NOLOGIN"), student["login"])
    ended = _end(conn, student["login"])
    execute(conn, "set_revoked", login=student["login"], revoked=True)
    return ended


def remove(conn: Connection, name: str) -> tuple[int, int]:
    """Revoke a student's login and delete it. The credit stays, under the names of the workers."""
    ended, student = revoke(conn, name), require(conn, name)
    with conn.transaction():
        if student["has_role"]:
            _alter(conn, sql.SQL("DROP ROLE {}"), student["login"])
        execute(conn, "delete_student", login=student["login"])
    return ended


def list_students(conn: Connection) -> list[dict[str, Any]]:
    """Return {login, label, revoked, created_at, workers, units, images} of every student."""
    return execute(conn, "list_students").fetchall()


def find(conn: Connection, name: str) -> dict[str, Any] | None:
    """Return {login, label, max_workers, revoked, has_role} of a student, by label or login; None if there is none."""
    return execute(conn, "find_student", name=name).fetchone()


def require(conn: Connection, name: str) -> dict[str, Any]:
    """Return the student.

    Raises:
        ConfigError: if there is none of this label or login.
    """
    found = find(conn, name)
    if found is None:
        raise ConfigError(f"There is no student {name!r}: `ganns students list` shows all.")
    return found


def check_label(label: str) -> None:
    """Check that a label can be shown everywhere.

    Raises:
        ConfigError: if it cannot.
    """
    if not LABEL.fullmatch(label) or label != label.strip():
        raise ConfigError(
            f"{printable(label, 80)!r} is no name for a student: 1 to 60 characters, the first of them a letter or a "
            "digit, and no colon, since `ada: laptop` is a worker of ada's."
        )


def check_labels(labels: Sequence[str]) -> None:
    """Check the labels of several students.

    Raises:
        ConfigError: if one cannot be shown everywhere, or is there twice.
    """
    if twice := _checked(labels):
        raise ConfigError(f"{twice!r} is there twice: add something that tells the two apart.")


def check_free(conn: Connection, labels: Sequence[str]) -> None:
    """Check that no student has one of these labels.

    Raises:
        ConfigError: with the command that gives a new password.
    """
    for label in labels:
        if find(conn, label) is not None:
            rotate = f"ganns students rotate {shlex.quote(label)}"
            raise ConfigError(f"There is a student {label} already: `{rotate}` gives a new password.")


def read_roster(path: Path) -> list[str]:
    """Return the students' names in a CSV file: the column student, name or label, else the first column.

    A table's columns may be separated by commas, semicolons (as of Excel in many countries) or tabs.

    Raises:
        ConfigError: if the file has none, or one twice, or cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = file.readlines()
        separator = max(",;\t", key=lines[0].count) if lines else ","
        rows = [row for row in csv.reader(lines, delimiter=separator, strict=True) if any(cell.strip() for cell in row)]
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text: save it as CSV in UTF-8.") from None
    except csv.Error as error:
        raise ConfigError(
            f"{path} is no CSV file ({error}): one name a line, or a table with a column `student`."
        ) from None
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = next((header.index(name) for name in HEADERS if name in header), None)
    if column is not None:
        rows = rows[1:]
    labels = [row[column or 0].strip() for row in rows if len(row) > (column or 0)]
    if not labels:
        raise ConfigError(f"{path} names no students: one a line, or a table with a column `student`.")
    if twice := _checked(labels):
        raise ConfigError(f"{path} has {twice!r} twice: add something that tells the two apart.")
    return labels


def _checked(labels: Sequence[str]) -> str | None:
    """Check each label, and return one that is there twice, if any."""
    for label in labels:
        check_label(label)
    return min((label for label, num in Counter(labels).items() if num > 1), default=None)


def _verifier(conn: Connection, login: str, password: str) -> sql.Literal:
    return sql.Literal(conn.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode())


def _end(conn: Connection, login: str) -> tuple[int, int]:
    """End the login's sessions, then hand its jobs on; return the numbers of both."""
    try:
        ended = execute(conn, "end_sessions", login=login).fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"The login can come no more, but its open sessions go on ({error.diag.message_primary}): a member of "
            f"pg_signal_backend can end them, as {login}."
        ) from error
    # A session that ends by itself meanwhile answers like one that stays.
    pids = [row["pid"] for row in ended if not row["ended"]]
    if pids and (stays := execute(conn, "sessions_left", login=login, pids=pids).fetchall()):
        raise DatabaseError(
            f"The login can come no more, but its session {stays[0]['pid']} has not ended yet: type the same again."
        )
    row = execute(conn, "hand_on", login=login).fetchone()
    return len(ended), int(row["num"]) if row else 0


def _alter(conn: Connection, statement: sql.SQL, login: str) -> None:
    """Run a statement about a role, whose name is its only part that varies."""
    try:
        conn.execute(statement.format(sql.Identifier(login)))
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.DependentObjectsStillExist) as error:
        raise DatabaseError(
            f"The role {login} cannot be changed ({error.diag.message_primary}): use the login that added the student, "
            "or an administrator's."
        ) from error


def _rights(conn: Connection) -> dict[str, Any]:
    row = execute(conn, "role_rights").fetchone()
    assert row is not None
    return row


def _require_rights(conn: Connection) -> None:
    """Check that this login may create students.

    Raises:
        DatabaseError: with the statement that an administrator types.
    """
    found = _rights(conn)
    role = found["role"]
    if not found["may_create"]:
        raise DatabaseError(
            f"The login {role} may not create logins for students: let an administrator type ALTER ROLE {role} "
            "CREATEROLE, then type `ganns db migrate` and this again."
        )
    if not found["has_group"]:
        raise DatabaseError(f"The role {GROUP} is missing: `ganns db migrate` creates it.")
    if not found["may_give_group"]:
        raise DatabaseError(
            f"The role {GROUP} belongs to another login of this server: let an administrator type GRANT {GROUP} TO "
            f"{role} WITH ADMIN OPTION."
        )
