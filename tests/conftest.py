"""One PostgreSQL for the session, one fresh database for each test.

The server is the embedded one, or the one that GANNS_TEST_DATABASE_URL names. Each test gets a clone of a
migrated template (pytest-postgresql), which takes a tenth of a second.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.support.memory import in_memory, remove_left

# Before anything imports torch: results are compared bit for bit, which holds for one thread.
os.environ["OMP_NUM_THREADS"] = "1"
# The results depend on no variable or signal of the caller: `make` hands its flags down, and `nohup` ignores signals.
_FOREIGN = ("GANNS_DATABASE_URL", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
for _name in [name for name in os.environ if name.startswith("PG") or name in _FOREIGN]:
    del os.environ[_name]
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
remove_left()
_HOME = Path(tempfile.mkdtemp(**in_memory()))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)  # also where no test uses the server
os.environ["GANNS_HOME"] = str(_HOME / "home")

import psycopg  # noqa: E402
import pytest  # noqa: E402
from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: E402
from pytest_postgresql import factories  # noqa: E402

from ganns.db.address import Address  # noqa: E402
from ganns.db.connect import Connection, connect  # noqa: E402
from ganns.db.migrate import migrate, set_search_path  # noqa: E402
from ganns.db.server.embedded import EmbeddedServer  # noqa: E402
from ganns.utils.printable import PrintableRecord  # noqa: E402

# As in our programs: xdist cannot send a log with half a surrogate pair, and one such report ends the whole run.
logging.setLogRecordFactory(PrintableRecord)

pytest_plugins = [
    "tests.support.coordinators",
    "tests.support.databases",
    "tests.support.queue_workers",
    "tests.support.s3",
    "tests.support.students",
    "tests.support.attackers",
]


@pytest.hookimpl(trylast=True)  # when the order is random, and the tests that were not asked for are gone
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the slow tests: one that begins last keeps a single process busy while the others have no more.

    xdist cuts the list into one piece for each process. Half of the pieces begin with slow tests, for not all processes
    should start browsers and workers at the same time. A module's slow tests stay together: they share what it made.
    """
    num = int(getattr(config, "workerinput", {}).get("workercount", 1))
    modules: dict[Path, list[pytest.Item]] = {}
    fast = []
    for item in items:
        is_slow = item.get_closest_marker("slow") or item.get_closest_marker("long")
        (modules.setdefault(item.path, []) if is_slow else fast).append(item)
    pieces: list[list[pytest.Item]] = [[] for _ in range(num)]
    for module in modules.values():
        min(pieces[: (num + 1) // 2], key=len).extend(module)
    left = len(items)
    items.clear()
    for number, piece in enumerate(pieces):
        size = left // (num - number)
        taken, left = max(0, size - len(piece)), left - max(size, len(piece))
        items += [*piece, *fast[:taken]]
        del fast[:taken]
    items += fast


def pytest_collection_finish() -> None:
    """Let the collector of garbage forget the 3,500 tests and the modules: it looked at them each time."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what was skipped, and how to have it: with `-rs` pytest lists it."""
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped")]
    packages = sorted({name for reason in reasons for name in re.findall(r"apt-get install ([\w-]+)", reason)})
    others = sorted({reason for reason in reasons if "apt-get install" not in reason})
    if packages:
        others.append(f"install {' and '.join(packages)} (apt-get install {' '.join(packages)}) to run them")
    if reasons:
        what = "1 test" if len(reasons) == 1 else f"{len(reasons)} tests"
        terminalreporter.write_line(f"{what} skipped: {'; '.join(others)}", yellow=True)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Take back what the command line sets for its process, where a test runs a command in this one.

    Hydra gives the root logger a handler, whose stream is closed at the end of the test.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    os.environ.pop("PYTHONSAFEPATH", None)
    for handler in [one for one in root.handlers if one not in handlers]:
        root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="session")
def server() -> Iterator[SimpleNamespace]:
    """Yield where the tests' PostgreSQL is, in the words of pytest-postgresql."""
    external = os.environ.get("GANNS_TEST_DATABASE_URL")
    with ExitStack() as stack:
        conninfo = external or stack.enter_context(EmbeddedServer(_HOME / "pg")).superuser_address.conninfo
        if external is None:
            with psycopg.connect(conninfo, autocommit=True) as owner:  # it will not outlive a crash of the machine
                owner.execute("ALTER SYSTEM SET fsync = off")
                owner.execute("ALTER SYSTEM SET max_wal_size = '256MB'")  # it is in memory
                owner.execute("SELECT pg_reload_conf()")
        parts = conninfo_to_dict(conninfo)
        yield SimpleNamespace(
            host=parts.get("host"),
            port=int(parts.get("port") or 5432),
            user=parts.get("user"),
            password=parts.get("password"),
            options="",
            maintenance_dbname="postgres",
            template_dbname=None,
        )


def _load(**connection: Any) -> None:
    """Migrate the template database."""
    with psycopg.connect(**{**connection, "autocommit": True}) as conn:
        migrate(conn)


migrated = factories.postgresql_noproc(dbname=f"ganns_tests_{os.getpid()}", load=[_load], depends_on="server")
postgresql = factories.postgresql("migrated")


@pytest.fixture
def database(postgresql: Connection, server: SimpleNamespace) -> Address:
    """Return the address of this test's own, migrated database."""
    set_search_path(postgresql)  # a clone has its template's tables, but not the settings of roles
    postgresql.commit()
    info = postgresql.info
    conninfo = make_conninfo(
        host=server.host, port=server.port, user=server.user, password=server.password, dbname=info.dbname
    )
    return Address(conninfo, "the tests")


@pytest.fixture
def conn(database: Address) -> Iterator[Connection]:
    """Return an open connection to this test's database."""
    with connect(database) as connection:
        yield connection
