"""Users of an embedded server, for its tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganns.db.connect import connect
from ganns.db.server.embedded import EmbeddedServer
from ganns.errors import DatabaseUnreachable
from tests.support.helpers import ROOT


@contextmanager
def another_user(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Use the server from another process, until a line is written to it."""
    script = (
        "import sys; from pathlib import Path; from ganns.db.server.embedded import EmbeddedServer\n"
        "with EmbeddedServer(Path(sys.argv[1])): print('uses it', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "uses it\n"
        yield process
        if process.poll() is None:
            process.communicate("\n", timeout=60)


def answers(server: EmbeddedServer) -> bool:
    try:
        connect(server.address).close()
    except DatabaseUnreachable:
        return False
    return True
