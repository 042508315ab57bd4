"""`notebooks/join_colab.ipynb` as Colab runs it: torch is there, there is no display, a secret holds the address.

Only `google.colab` is made up, at its edge. The database asks for a password over TCP. The cell is the notebook's own
text, with another place to install from.
"""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from queue import Empty
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import psutil
import pytest
from PIL import Image
from psycopg.types.json import Jsonb

from ganns import notebook
from ganns.config import (
    GradientStrategy,
    ModelConfig,
    QuorumConfig,
    StopConfig,
    SyntheticData,
)
from ganns.config.stored import to_dict
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.errors import ConfigError, NoDatabaseAddress
from ganns.notebook import background
from ganns.notebook.class_view import ClassReader, ClassView
from ganns.notebook.panel import lines, picture
from ganns.store import rounds, runs
from ganns.store.samples import put_sample
from tests.support.coordinators import Coordinator
from tests.support.environments import OFFLINE, build_wheel, new_environment, run, served_database, site_packages
from tests.support.fakes import tiny
from tests.support.helpers import ROOT, free_port, wait_until

COLAB = '''"""Colab's module for the secrets of the user who opened the notebook."""

import os


class SecretNotFoundError(Exception):
    """As Colab's."""


def get(key):
    """Return a secret."""
    try:
        with open(os.path.join(os.environ["STUB_SECRETS"], key)) as file:
            return file.read()
    except OSError:
        raise SecretNotFoundError(key) from None
'''


# ------------------------------------------------------------------------------------------------ the whole of it


class Kernel:
    """A notebook's kernel, and what its cells showed."""

    def __init__(self, python: Path, folder: Path, variables: dict[str, str]) -> None:
        from jupyter_client.kernelspec import KernelSpecManager
        from jupyter_client.manager import KernelManager

        spec = folder / "kernels" / "colab"
        spec.mkdir(parents=True, exist_ok=True)
        command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (spec / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "Colab", "language": "python"}))
        (folder / "content").mkdir(exist_ok=True)
        self._sockets = tempfile.TemporaryDirectory(prefix="ganns-")
        self.manager = KernelManager(
            kernel_name="colab",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(folder / "kernels")]),
            transport="ipc",
            ip=f"{self._sockets.name}/k",
        )
        self.manager.start_kernel(cwd=str(folder / "content"), env=variables)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        self.messages: list[dict[str, Any]] = []
        self.shown: dict[str, str] = {}  # display -> HTML
        self.printed = ""
        self.busy = False

    def run(self, source: str) -> None:
        """Begin to run a cell."""
        self.busy = True
        self.client.execute(source)

    def listen(self) -> None:
        """Take in what the cell has shown so far."""
        with suppress(Empty):
            while True:
                message = self.client.get_iopub_msg(timeout=0.05)
                self.messages.append(message["content"])
                content, kind = message["content"], message["msg_type"]
                if kind in ("display_data", "update_display_data"):
                    self.shown[content["transient"]["display_id"]] = content["data"]["text/html"]
                elif kind == "stream":
                    self.printed += content["text"]
                elif kind == "error":
                    self.printed += "\n".join(content["traceback"])
                elif kind == "status" and content["execution_state"] == "idle":
                    self.busy = False

    @property
    def text(self) -> str:
        return "\n".join([*self.shown.values(), self.printed])

    def wait_for(self, pattern: str, timeout_s: float = 180) -> re.Match[str]:
        """Wait until something like that is to be seen."""

        def seen() -> re.Match[str] | None:
            self.listen()
            return re.search(pattern, self.text)

        wait_until(
            lambda: seen() or not self.busy, timeout_s, lambda: f"{pattern!r} in {self.text[-2000:]}", every_s=0.1
        )
        found = seen()
        assert found, f"the cell ended without {pattern!r}: {self.text[-2000:]}"
        return found

    def wait_end(self, timeout_s: float = 120) -> None:
        def ended() -> bool:
            self.listen()
            return not self.busy

        wait_until(ended, timeout_s, lambda: f"the end of the cell: {self.text[-2000:]}")

    def end(self) -> None:
        """End the kernel at once, as when the machine's page was closed for long."""
        self.client.stop_channels()
        if self.manager.is_alive():
            self.manager.shutdown_kernel(now=True)
        self._sockets.cleanup()


@pytest.fixture
def served() -> Iterator[Address]:
    """Yield the address, with the password in it, of a PostgreSQL that others reach over TCP."""
    with served_database() as address:
        yield address


@contextmanager
def kernels(tmp_path: Path, address: Address, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Kernel]]:
    """Yield a function that starts a kernel as on Colab; whatever is left is ended."""
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(variable, str(tmp_path / "jupyter" / variable.lower()))
        (tmp_path / "jupyter" / variable.lower()).mkdir(parents=True)
    binaries = new_environment(tmp_path / "colab")
    stub = tmp_path / "stub" / "google" / "colab"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("")
    (stub / "userdata.py").write_text(COLAB)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "GANNS_DATABASE_URL").write_text(address.conninfo)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "GANNS_"))}
    variables |= OFFLINE | {
        "PYTHONPATH": str(stub.parents[1]),
        "STUB_SECRETS": str(secrets),
        "GANNS_HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": "1",
    }
    started: list[Kernel] = []

    def start() -> Kernel:
        started.append(Kernel(binaries / "python", tmp_path, variables))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            one.end()
        about = tmp_path / "home" / "notebook" / "worker.json"
        if about.exists():
            with suppress(ProcessLookupError):
                os.kill(json.loads(about.read_text())["pid"], signal.SIGKILL)


def cell(wheel: Path) -> str:
    """The notebook's one cell, which installs from a file."""
    notebook = nbformat.read(ROOT / "notebooks" / "join_colab.ipynb", as_version=4)
    [code] = [one.source for one in notebook.cells if one.cell_type == "code"]
    changed, num = re.subn(
        r'^PROJECT = "git\+https://[^"]+"', f'PROJECT = "{wheel.as_uri()}"', code, flags=re.MULTILINE
    )
    assert num == 1
    changed, num = re.subn(r'^NAME = ""', 'NAME = "ada"', changed, flags=re.MULTILINE)
    assert num == 1
    assert len([line for line in code.splitlines() if line and not line.startswith("#")]) < 12  # a cell to read
    return changed


@pytest.mark.long
def test_the_cell_joins_goes_on_and_leaves(tmp_path: Path, served: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    source = cell(build_wheel(tmp_path))
    config = tiny(
        model=ModelConfig(image_size=64, latent_dim=100, features_g=32, features_d=32),
        strategy=GradientStrategy(unit_images=96, micro_batch=4),
        data=SyntheticData(count=960, holdout=8),
        quorum=QuorumConfig(units=1),
        stop=StopConfig(rounds=100_000),
    )
    coordinator = Coordinator(served, config)

    def one(statement: str, *values: Any) -> Any:
        with connect(served) as conn:
            return conn.execute(statement, values or None).fetchone()

    try:
        with kernels(tmp_path, served, monkeypatch) as start:
            about = tmp_path / "home" / "notebook" / "worker.json"
            kernel = start()
            kernel.run(source)
            kernel.wait_for("started your worker ada")
            assert sorted(path.name for path in site_packages(tmp_path / "colab").iterdir() if path.is_dir()) == [
                "ganns",
                f"ganns-{run(tmp_path / 'colab/bin/ganns', '--version', cwd=tmp_path).split()[1]}.dist-info",
                "tasks",
            ], "pip installed nothing else: torch, torchvision and numpy are Colab's"

            # Live: the run, my part of it, its losses; and the newest samples as a picture.
            kernel.wait_for(r"you: [1-9]\d* unit\(s\), \d+ images")
            kernel.wait_for(r"run 1 \(test\), open, version \d.*d_loss [\d.]+ · g_loss [\d.]+")
            assert coordinator.run_id is not None
            with connect(served) as conn:
                buffer = BytesIO()
                Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, "WEBP")
                put_sample(conn, coordinator.run_id, 1, buffer.getvalue())
            kernel.wait_for(r'alt="samples of version 1" src="data:image/webp;base64,\w+')

            # The worker is killed: another one, and it works.
            pid = json.loads(about.read_text())["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: json.loads(about.read_text() or "{}").get("pid", pid) != pid, 60, "another worker")
            joined = "SELECT count(*) FROM ganns.workers WHERE name = 'ada'"
            wait_until(lambda: one(joined)[0] >= 2, 120, lambda: f"it to join: {kernel.text}", every_s=0.3)
            worked = "SELECT count(*) FROM ganns.ledger WHERE worker_id = (SELECT max(id) FROM ganns.workers)"
            wait_until(lambda: one(worked)[0] >= 1, 120, lambda: f"it to work: {kernel.text}", every_s=0.3)
            assert kernel.manager.is_alive()

            # The kernel is gone, the worker is not, and the cell finds it.
            pid = json.loads(about.read_text())["pid"]
            said = json.dumps(kernel.messages)
            kernel.end()
            os.kill(pid, 0)
            kernel = start()
            kernel.run(source)
            kernel.wait_for("found your worker ada, which goes on")
            assert json.loads(about.read_text())["pid"] == pid

            # Interrupted with a unit in hand: the unit goes back, the worker leaves.
            holds = (
                "SELECT j.id, j.attempts FROM procrastinate.procrastinate_jobs j "
                "JOIN ganns.units u ON u.job_id = j.id AND u.claimed_by = j.worker_id "
                "WHERE j.status = 'doing' AND u.claimed_at > now() - interval '0.3 s'"  # it takes seconds
            )
            kernel.wait_for("you: ")
            wait_until(
                lambda: one(holds), 120, lambda: f"a unit in hand: {kernel.text} {coordinator.said}", every_s=0.05
            )
            kernel.manager.interrupt_kernel()
            kernel.wait_end()
            assert "1 unit(s) handed back" in kernel.text, kernel.text[:1500]
            assert "Traceback" not in kernel.text
            job = "SELECT j.status::text, j.attempts > 0 FROM procrastinate.procrastinate_jobs j JOIN ganns.units u "
            job += "ON u.job_id = j.id JOIN ganns.rounds r USING (run_id, round) WHERE r.closed_at IS NULL"
            assert one(job) == ("todo", True)
            assert one("SELECT count(*) FROM procrastinate.procrastinate_workers") == (0,)
            # Its parent, the first kernel, cannot ask how it ended: a zombie has ended, too.
            assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

            password = re.search(r":([^:@]+)@", served.conninfo)
            assert password
            said += json.dumps(kernel.messages) + (about.parent / "worker.log").read_text() + about.read_text()
            assert password[1] not in said
    finally:
        coordinator.stop.set()
        coordinator.thread.join(60)


# ------------------------------------------------------------------------------------------------------ its parts


def test_where_the_address_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "_colab_secret", lambda: "postgresql://ada:sesame@colab.example/ganns")
    monkeypatch.setenv("GANNS_DATABASE_URL", "postgresql://ada:sesame@variable.example/ganns")
    assert str(notebook.find_address()) == "ada@colab.example:5432/ganns"
    monkeypatch.setattr(notebook, "_colab_secret", lambda: "")
    assert str(notebook.find_address()) == "ada@variable.example:5432/ganns"
    monkeypatch.delenv("GANNS_DATABASE_URL")
    asked: list[str] = []

    def typed(text: str) -> None:
        monkeypatch.setattr(notebook.getpass, "getpass", lambda prompt: asked.append(prompt) or text)

    typed("GANNS_DATABASE_URL=postgresql://ada:sesame@typed.example/ganns ganns worker\n")
    assert str(notebook.find_address()) == "ada@typed.example:5432/ganns"
    assert asked
    typed(" ")
    with pytest.raises(NoDatabaseAddress, match="secret named GANNS_DATABASE_URL"):
        notebook.find_address()
    typed("postgresql://ada:ses?me@typed.example/ganns")
    with pytest.raises(ConfigError, match="write @ as %40") as raised:
        notebook.find_address()
    assert "ses" not in str(raised.value)


def test_the_log_has_no_escape_codes_though_the_kernel_asks_for_colours(tmp_path: Path) -> None:
    """ipykernel sets FORCE_COLOR, and rich then takes a file for a terminal."""
    asking = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"}
    assert background.plain(asking | {"PATH": "/bin"}) == {"PATH": "/bin", "TTY_COMPATIBLE": "0"}


@pytest.mark.slow
def test_a_real_worker_writes_no_escape_codes_and_leaves_no_process(
    database: Address, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is interrupted while it draws the images of a run, in processes of its own."""
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.setenv(name, "1")
    config = tiny(data=SyntheticData(count=200_000, holdout=8), stop=StopConfig(rounds=9))
    about = {"name": "", "fingerprint": "x", "num_images": 200_000, "permutation_digest": ""}
    with connect(database) as conn:
        run_id = runs.create_run(conn, config=to_dict(config), **about)  # type: ignore[arg-type]
        conn.execute(
            "INSERT INTO procrastinate.procrastinate_jobs (queue_name, task_name, args) VALUES (%s, %s, %s)",
            [rounds.QUEUE, rounds.TASK, Jsonb({"run": run_id, "round": 1, "unit": 1})],
        )
    worker = background.BackgroundWorker(tmp_path / "colab", database, "chlo\u00eb")
    assert worker.start() == "started your worker chlo\u00eb"
    pid = worker.pid
    assert pid is not None
    try:
        # A worker and a spare process, and those that draw.
        wait_until(lambda: len(psutil.Process(pid).children(recursive=True)) > 3, 120, worker.last_line, every_s=0.1)
        drawing = psutil.Process(pid).children(recursive=True)
        assert "preparing images" in worker.last_line()
    finally:
        said = worker.leave()
    assert "handed back" in said
    assert "\x1b" not in (tmp_path / "colab" / "worker.log").read_text("utf-8")
    wait_until(lambda: not [one for one in drawing if one.is_running() and one.status() != "zombie"], 10, said)


def test_a_failed_installation_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    _, mark, end = cell(ROOT).partition("if util.find_spec")
    exec(mark + end, {"util": SimpleNamespace(find_spec=lambda name: None), "NAME": "ada"})
    assert "The program was not installed" in capsys.readouterr().out


def test_what_is_shown() -> None:
    assert lines(ClassView()) == ["no run yet: it starts when your instructor types `ganns train`"]
    assert lines(ClassView(trouble="no answer")) == ["no answer"]
    run_ = {"run": 3, "name": "<b>", "state": "open", "version": 1200, "images_per_s": 50.04, "workers_alive": 4}
    seen = ClassView(run=run_, losses={"d_loss": 0.123456, "g_loss": None}, units=2, images=512, images_per_s=7.25)
    assert lines(seen) == [
        "run 3 (<b>), open, version 1,200 · 50.0 images/s by 4 worker(s) · d_loss 0.123",
        "you: 2 unit(s), 512 images · 7.2 images/s",
    ]
    assert 'src="data:image/webp;base64,AAE="' in picture(1, b"\x00\x01")


def test_a_server_that_is_away_and_an_empty_database(database: Address) -> None:
    port = free_port()
    away = ClassReader(Address(f"postgresql://ada:sesame@127.0.0.1:{port}/ganns", "the test"), "ada")
    assert away.read().trouble == (
        f"the database ada@127.0.0.1:{port}/ganns does not answer; your worker tries again, too"
    )
    reader = ClassReader(database, "ada")
    assert reader.read() == ClassView()
    with connect(database) as conn:
        conn.execute("DROP SCHEMA ganns CASCADE")
    assert "is empty so far" in reader.read().trouble
    reader.close()
