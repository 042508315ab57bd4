"""The tests of the database run on an external server too: GANNS_TEST_DATABASE_URL, over TCP, with a password."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.server.embedded import EmbeddedServer
from tests.support.helpers import ROOT

FILES = ("db/test_migrate.py", "db/test_queries.py", "db/test_golden.py", "cli/test_db.py")


@pytest.mark.long
def test_the_suite_runs_on_a_server_that_a_variable_names(home: Path, tmp_path: Path, unused_port: int) -> None:
    with EmbeddedServer(home / "pg", host="127.0.0.1", port=unused_port) as server:
        with connect(server.superuser_address) as conn:
            conn.execute("CREATE ROLE tests SUPERUSER LOGIN PASSWORD 'sesame'")
            conn.execute("DROP OWNED BY ganns_class")  # a login that only embedded servers have
            conn.execute("DROP ROLE ganns_class")
        address = Address(f"postgresql://tests:sesame@127.0.0.1:{unused_port}/ganns", "the tests")
        # A folder of its own: pytest closes /tmp/pytest-of-root to others, and the servers of this run are others.
        command = [sys.executable, "-m", "pytest", "-q", f"--basetemp={tmp_path / 'inner'}"]
        command += [f"tests/{name}" for name in FILES]
        environment = os.environ | {"GANNS_TEST_DATABASE_URL": address.conninfo}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        with connect(server.address) as conn:
            left = conn.execute("SELECT datname FROM pg_database WHERE datname LIKE '%%ganns_%%'").fetchall()
            tests = conn.execute("SELECT sum(xact_commit) > 100 FROM pg_stat_database").fetchone()
    assert left == [], "every database was dropped again"
    assert tests == (True,), "the tests ran here, and not on a server of their own"
