"""The wheel: built from this checkout, installed elsewhere, and used from yet another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

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
    assert there == {"exactly_once.sql", "exactly_once_tables.sql"}


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
