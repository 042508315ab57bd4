"""`ganns db audit`: what students' logins could do on this server beside their work.

PostgreSQL gives every login some rights, and only their owner can take them away: on a managed server that is the
provider. `REVOKE` by another login changes nothing and says nothing, so this asks the server what holds now.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from ganns.db.connect import Connection
from ganns.db.queries import execute

SHOWN = 3
KINDS = {
    "open function": (
        "Logins may call functions of ours that are not meant for them",
        "type `ganns db migrate` with the owner's login",
    ),
    "definer function": (
        "Students may call functions that run with another login's rights",
        "look at what they do, and type REVOKE EXECUTE ON FUNCTION ... FROM PUBLIC as their owner",
    ),
    "table": ("Students may read or change tables", "type REVOKE ALL ON ... FROM PUBLIC, ganns_student as their owner"),
    "create": ("Students may create objects", "type REVOKE CREATE ON SCHEMA ... FROM PUBLIC as its owner"),
    "temporary": (
        "Students may fill the disk with temporary tables",
        "type REVOKE TEMPORARY ON DATABASE ... FROM PUBLIC as its owner",
    ),
    "connect": (
        "Students may connect to other databases of this server",
        "type REVOKE CONNECT ON DATABASE ... FROM PUBLIC as its owner, if no other program needs it",
    ),
    "sessions": (
        "This login can neither see what students' sessions do nor end them, so its coordinator's warden cannot either",
        "let an administrator type GRANT pg_read_all_stats, pg_signal_backend TO the login that trains, or train with "
        "the login that added the students",
    ),
    "temporary files": (
        "Students' statements may fill the disk with temporary files",
        "let a superuser type ALTER ROLE ... SET temp_file_limit = '1GB' for each, or set it for the server",
    ),
    "large object": (
        "Students may fill the disk with large objects",
        "let a superuser type REVOKE EXECUTE ON FUNCTION ... FROM PUBLIC in this database; else watch its size with "
        "`ganns db status`",
    ),
    "log message": (
        "Students may fill the server's log of changes (WAL), which needs disk, and room where it is archived",
        "let a superuser type REVOKE EXECUTE ON FUNCTION ... FROM PUBLIC in this database",
    ),
    "advisory lock": (
        "Students may take advisory locks: none of our programs waits for one, but they need memory",
        "let a superuser type REVOKE EXECUTE ON FUNCTION ... FROM PUBLIC in this database",
    ),
    "attribute": (
        "Students' logins have rights over the whole server",
        "type ALTER ROLE ... NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS",
    ),
    "no limit": (
        "Students' logins may take all connections",
        "type ALTER ROLE ... CONNECTION LIMIT 20, or remove the student and add the name again",
    ),
    "other role": ("Students' logins have the rights of other roles", "type REVOKE ROLE FROM LOGIN"),
    "unknown": (
        "Logins are in the role of students, and no student is known for them: they may do nothing",
        "type DROP ROLE ..., unless another database of this server uses it",
    ),
    "common login": (
        "Everyone who has the one line of `ganns db serve` can read and change everything",
        "type ALTER ROLE ganns_class NOLOGIN when all students have logins of their own",
    ),
    "weak passwords": (
        "The server would store new passwords in a form that is easier to guess; students' are not concerned",
        "set password_encryption = 'scram-sha-256'",
    ),
}
"""Says of each kind its meaning, and how to mend it."""


@dataclass(frozen=True)
class Door:
    """Something that is open, with a sentence about it."""

    kind: str
    what: list[str]
    said: str
    remedy: str

    def __str__(self) -> str:
        """Return the sentence with examples, and the remedy."""
        more = f" and {len(self.what) - SHOWN} more" if len(self.what) > SHOWN else ""
        return f"{self.said} ({', '.join(self.what[:SHOWN])}{more}): {self.remedy}."


def audit(conn: Connection) -> list[Door]:
    """Return what is open in this database, in the order of `KINDS`; a login of the database's owner sees all."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in execute(conn, "list_open_doors"):
        found[row["kind"]].append(row["what"])
    return [Door(kind, found[kind], *texts) for kind, texts in KINDS.items() if kind in found]
