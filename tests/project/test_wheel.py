"""The wheel: built from this checkout, installed elsewhere, and used from yet another folder."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

from ganns.doctor.program import EXTRAS
from tests.support.distributions import closure, declared, top_level

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    line = list(map(str, command))
    done = subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # Without --wheel, as a release does it: first the sdist, then the wheel from what is in the sdist.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    [built] = folder.glob("ganns-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment that contains the wheel.

    The packages that it depends on are lent by the environment of the tests, through a .pth file: nothing is
    downloaded. The line adds a folder to the path without reading the .pth files in it, so that the editable
    install of this checkout stays out of sight.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=folder,
    )
    site_packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(site_packages, "lent.pth").write_text("\n".join(sorted(lent)) + "\n")
    return python.parent


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel and its declared dependencies, and nothing else.

    Each file of theirs, and of what they need, is a link to the one in the tests' environment.
    """
    folder = tmp_path_factory.mktemp("alone")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    [site_packages] = folder.glob("lib/python3*/site-packages")
    for one in closure(declared()).values():
        for path in top_level(one):
            if path.exists() and not (site_packages / path.name).exists():  # nvidia/ belongs to several
                (site_packages / path.name).symlink_to(path)
    return python.parent


def test_contents(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"ganns", "tasks"}
    for source in ("conf", "sql"):
        paths = [path.relative_to(ROOT) for path in (ROOT / source).rglob("*") if path.is_file()]
        assert paths
        assert {name for name in names if name.startswith(f"ganns/{source}/")} == {
            f"ganns/{path.as_posix()}" for path in paths
        }
    for kind in ("starters", "solutions"):
        files = [path for path in (ROOT / "docs/exercises" / kind).iterdir() if path.is_file()]
        assert files
        assert {name for name in names if name.startswith(f"ganns/exercise_files/{kind}/")} == {
            f"ganns/exercise_files/{kind}/{path.name}" for path in files
        }


def test_the_sdist_has_what_git_has_and_nothing_else(wheel: Path) -> None:
    [sdist] = wheel.parent.glob("ganns-*.tar.gz")
    with tarfile.open(sdist) as file:
        packed = {name.split("/")[1] for name in file.getnames() if "/" in name}
    known = {
        name.split("/")[0]
        for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    }
    assert packed - {"PKG-INFO"} <= known
    assert {"ganns", "tasks", "conf", "sql", "tests", "docs", "pyproject.toml", "LICENSE"} <= packed


def test_help(installed: Path, tmp_path: Path) -> None:
    assert "ganns [OPTIONS] COMMAND" in run(installed / "ganns", "--help", cwd=tmp_path)


def test_hydra_composes(installed: Path, tmp_path: Path) -> None:
    shown = run(installed / "ganns", "train", "experiment=demo", "--cfg", "job", cwd=tmp_path)
    assert "image_size: 32" in shown
    assert list(tmp_path.iterdir()) == []


def test_an_exercise_begins(installed: Path, tmp_path: Path) -> None:
    run("env", f"GANNS_HOME={tmp_path / 'home'}", installed / "ganns", "exercise", "start", "3", "mine", cwd=tmp_path)
    there = {path.name for path in (tmp_path / "mine").iterdir()}
    assert {"exactly_once.sql", "exactly_once_tables.sql"} <= there


def test_sql_loads(installed: Path, tmp_path: Path) -> None:
    script = """
import ganns, tasks
from ganns.db.queries import load
from ganns.paths import conf_dir, sql_dir
print(ganns.__file__, tasks.__file__, conf_dir(), sql_dir(), sep="\\n")
print(len(load(sql_dir() / "queries")), len(list((sql_dir() / "migrations").glob("*.sql"))))
"""
    *places, counts = run(installed / "python", "-c", script, cwd=tmp_path).splitlines()
    for place in places:
        assert Path(place).resolve().is_relative_to(installed.parent.resolve())
    num_queries, num_migrations = map(int, counts.split())
    assert num_queries > 0
    assert num_migrations == len(list((ROOT / "sql" / "migrations").glob("*.sql")))


IMPORT_ALL = """
import importlib, pkgutil, warnings
import ganns, tasks
warnings.simplefilter("ignore")
missing = {}
for package in (ganns, tasks):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=lambda name: None):
        if not found.name.endswith("__main__"):
            try:
                importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                missing.setdefault(".".join(found.name.split(".")[:2]), error.name)
print(missing)
"""


@pytest.mark.long
def test_with_its_declared_dependencies_alone_everything_imports_but_the_extras(alone: Path, tmp_path: Path) -> None:
    for module, _ in EXTRAS.values():  # the environment has what it should have, and no more
        done = subprocess.run(
            [alone / "python", "-c", f"import {module}"], cwd=tmp_path, capture_output=True, text=True
        )
        assert f"No module named '{module}'" in done.stderr
    missing = ast.literal_eval(run(alone / "python", "-c", IMPORT_ALL, cwd=tmp_path).splitlines()[-1])
    assert missing.keys() == {"ganns.dashboard"}, missing


@pytest.mark.long
@pytest.mark.timeout(600)
def test_with_its_declared_dependencies_alone_it_trains_and_keeps_a_database(alone: Path, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ganns-alone-", ignore_cleanup_errors=True) as home:
        ours = ("env", f"GANNS_HOME={home}", alone / "ganns")
        assert "torchvision" in run(*ours, "doctor", cwd=tmp_path)
        for command in (("db", "init"), ("db", "status"), ("runs",), ("tasks", "workers"), ("plugin", "list")):
            run(*ours, *command, cwd=tmp_path)
        run(*ours, "solo", "experiment=smoke", cwd=tmp_path)
        run(*ours, "demo", "experiment=smoke", cwd=tmp_path)  # a server, two workers, a run, plots
    assert list(tmp_path.glob("outputs/**/*.png"))
