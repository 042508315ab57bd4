"""Check the database: the version of its tables, the login's rights, and the run's images."""

from __future__ import annotations

from psycopg import errors

from ganns import paths
from ganns.config import from_dict
from ganns.data.report import info
from ganns.db.connect import Connection
from ganns.db.diagnostics import worker_rights
from ganns.db.migrate import PROCRASTINATE, status
from ganns.errors import DataError, RunError
from ganns.queue.machine import is_older, program_version
from ganns.store.runs import Run, find_run
from ganns.store.worker_api import requires
from ganns.utils.checks import Finding, ok, problem


def check_schema(conn: Connection) -> Finding:
    """Tell whether the tables match this program's version."""
    try:
        found = status(conn)
    except errors.InsufficientPrivilege as error:
        return problem("tables", f"this login may not look: {error.diag.message_primary}", _ASK)
    if not found.applied and not found.unknown:
        return problem("tables", "there are none: this database is empty", "`ganns db migrate`, with the owner's login")
    if found.pending:
        said = f"older than this program: {len(found.pending)} migration(s) are missing, {found.pending[0]} first"
        return problem("tables", said, "`ganns db migrate`, with the owner's login")
    if found.unknown:
        said = f"newer than this program, which does not know migration {found.unknown[0]}"
        return problem("tables", said, "update the program: `git pull`, or install it again")
    if not (found.procrastinate or "").startswith(PROCRASTINATE):
        said = f"procrastinate's are of version {found.procrastinate}, and this program needs {PROCRASTINATE}*"
        return problem("tables", said, "a new database: `ganns db backup`, then `ganns db restore` there")
    return ok("tables", f"{len(found.applied)} migrations, as this program has")


def check_rights(conn: Connection) -> Finding:
    """Tell whether this login has the rights that a worker needs."""
    found = worker_rights(conn)
    lacks = [] if found["may_call"] else ["the schema ganns_api"]
    lacks += [f"ganns_api.{name}" for name in found["denied"][:3]]
    if not found["finds_queue"]:
        # A cloned database, or a newer login, lacks the setting.
        said = f"{found['role']} does not find procrastinate's functions: its search_path lacks their schema"
        todo = "`ganns db migrate` as that login, or let the owner set the role's search_path to procrastinate, public"
        return problem("rights", said, todo)
    if not found["may_register"]:
        lacks.append("procrastinate's tables")
    if lacks:
        return problem("rights", f"{found['role']} may not be a worker: it may not use {', '.join(lacks)}", _ASK)
    return ok("rights", f"{found['role']} may be a worker")


def find_open_run(conn: Connection) -> Run | None:
    """Return the run that is trained; None if there is none, or this login may not see it."""
    try:
        run = find_run(conn, "latest")
    except (RunError, errors.InsufficientPrivilege):
        return None
    return run if run.state == "open" else None


def check_program(conn: Connection, run: Run, mine: str | None = None) -> Finding:
    """Tell whether this program is new enough for the run."""
    needed, mine = requires(conn, run.id), mine or program_version()
    if is_older(mine, needed):
        said = f"run {run.id} was made by ganns {needed}, and this is {mine}"
        return problem("program", said, "update it: `git pull`, or install it again; then start the worker anew")
    return ok("program", f"ganns {mine}, new enough for run {run.id}")


def check_data(run: Run) -> Finding:
    """Tell whether the run's images are here; do not draw, decode or fetch them."""
    config = from_dict(run.config)
    name = config.data.name
    how = f"`ganns data info data={name} ...` says what is here; GANNS_DATA names where they lie on this machine"
    try:
        found = info(config.data, config.model.image_size, paths.home() / "data")
    except (DataError, OSError) as error:
        return problem("images", f"run {run.id} needs {name} images: {error}", how)
    if "fingerprint" not in found:
        return ok("images", f"run {run.id} has synthetic ones; they are drawn here on first use")
    if found["fingerprint"] != run.fingerprint:
        said = f"these {name} images have the fingerprint {found['fingerprint']}, the run's have {run.fingerprint}"
        return problem("images", said, how)
    return ok("images", f"those of run {run.id}: {found['images']}")


_ASK = "ask for the line that workers use: it has a login that may"
