"""The runner and the command line: whatever the file does, there is a report, and an exit code of 0 or 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.db import joined
from ganns.errors import ConfigError
from ganns.exercises import progress
from ganns.exercises.catalogue import EXERCISES, find
from ganns.exercises.report import CheckResult, Report, read
from ganns.exercises.runner import in_home, run_check, without_secrets
from tests.exercises.pupil import solved, starter, wrong


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("GANNS_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def ganns(*words: str | Path, typed: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, ["exercise", *map(str, words)], input=typed)
    if isinstance(result.exception, ConfigError):
        raise result.exception
    return result.exit_code, result.output


def test_an_exercise_from_its_start_to_its_end(tmp_path: Path) -> None:
    code, said = ganns("start", 5, "mine")
    assert code == 0
    assert "ganns exercise check 5" in said
    code, said = ganns("check", 5)  # it knows where the file is
    assert code == 1
    assert "speedup() is still to be written" in said
    assert "0 of 4 right. Not done yet" in said

    solved(5, tmp_path / "mine")
    code, said = ganns("check", 5)
    assert code == 0
    assert "Exercise 5 is done." in said
    code, said = ganns("list")
    assert progress.load()["5"]["done"] in said

    starter(5, tmp_path / "mine")
    assert ganns("check", 5, "mine")[0] == 1  # a folder will do; and what is done stays done
    assert progress.load()["5"]["done"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "scaling.csv").write_text("mine")
    with pytest.raises(ConfigError, match=r"scaling\.csv exists, and is not overwritten"):
        ganns("start", 5, tmp_path)
    assert (tmp_path / "scaling.csv").read_text() == "mine"
    assert not (tmp_path / "scaling.py").exists()


def test_wrong_numbers_and_missing_files_are_said() -> None:
    with pytest.raises(ConfigError, match=f"There is no exercise 11: choose one from 1 to {EXERCISES[-1].number}"):
        ganns("start", 11)
    with pytest.raises(ConfigError, match=r"There is no file exercises/weighted_mean\.py: begin with"):
        ganns("check", 1)


def test_a_solution_is_shown_to_who_says_yes() -> None:
    code, said = ganns("solution", 1, typed="n\n")
    assert code == 1
    assert "def weighted_mean" not in said
    code, said = ganns("solution", 1, typed="y\n")
    assert code == 0
    assert find(1).solution[0].read_text() in said


@pytest.mark.parametrize("text", ["", "[1", "[]", '{"1": 3}'])
def test_damaged_notes_are_no_obstacle(home: Path, text: str) -> None:
    home.mkdir()
    (home / "exercises.json").write_text(text)
    assert ganns("list")[0] == 0
    progress.finish(2, Path("x.py"))
    assert json.loads((home / "exercises.json").read_text())["2"]["done"]


def test_an_endless_file_is_ended_and_what_it_printed_last_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "scaling.py"
    file.write_text("import itertools\nfor number in itertools.count():\n    print('line', number)\n")
    report, printed = run_check(find(5), file, time_limit_s=2)
    assert "After 2 s it had not ended" in wrong(report)["it ends"]
    assert "line" in printed
    assert len(printed) <= 2000


def test_a_file_that_ends_the_process_loses_nothing_that_was_found(tmp_path: Path) -> None:
    file = solved(5, tmp_path, ("return seconds_alone / seconds_together", "return seconds_alone / seconds_together"))
    file.write_text(file.read_text().replace("return (1 /", "import os; os._exit(7)\n    return (1 /"))
    report, _ = run_check(find(5), file)
    assert [result.title for result in report.results if result.right] == ["speedup()", "efficiency()"]
    assert "in the middle of it, with the exit code 7" in wrong(report)["it ends"]
    assert not report.passed

    file.write_text("import os\nos._exit(0)\n")
    assert not run_check(find(5), file)[0].passed


def test_input_finds_an_empty_stream(tmp_path: Path) -> None:
    file = tmp_path / "scaling.py"
    file.write_text("input('how many? ')\n")
    report, printed = run_check(find(5), file)
    assert "line 1: input('how many? ')\nEOFError" in wrong(report)["the file runs"]
    assert printed == "how many?"


def test_a_report_without_findings_is_none() -> None:
    assert not Report().passed
    assert not Report(results=[CheckResult(None, "a remark")]).passed
    assert Report(results=[CheckResult(True, "x"), CheckResult(None, "y")]).passed


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "results"
    Report(path).right("whole")
    with path.open("a") as stream:
        stream.write('{"right": tr')
    assert read(path) == [CheckResult(True, "whole")]


@pytest.mark.slow
def test_exercise_3_brings_its_own_server(tmp_path: Path) -> None:
    report, _ = run_check(find(3), solved(3, tmp_path))
    assert report.passed


def test_a_learners_program_sees_no_address_and_no_token() -> None:
    kept = {
        "PATH": "/bin",
        "HOME": "/home/ada",
        "GANNS_HOME": "/x",
        "KEYBOARD": "de",
        "HTTP_PROXY": "http://proxy:3128",
    }
    secret = {
        "GANNS_DATABASE_URL": "postgresql://ada:x@db/class",
        "GANNS_DASHBOARD_PASSWORD": "x",
        **{"PGPASSWORD": "x", "PGHOST": "db", "HF_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "MY_OPENAI_API_KEY": "x"},
        "SOMEWHERE": "https://ada:x@example.org/",
    }
    assert without_secrets(kept | secret) == kept


LOOKS = """
import os
from pathlib import Path
import ganns.paths
from ganns.db import joined
from ganns.db.address import resolve

SEEN = {"environment": dict(os.environ), "resolved": str(resolve()), "stored": str(joined.load())}
for folder in (Path.home(), Path.home() / ".ganns", ganns.paths.home(), *map(Path, os.environ.values())):
    for name in ("joined", ".ganns/joined", ".pgpass"):
        try:
            SEEN[str(folder / name)] = (folder / name).read_text()
        except (OSError, ValueError):
            pass
Path(__file__).with_name("seen").write_text(repr(SEEN))
"""


@pytest.mark.parametrize("place", ["HOME", "GANNS_HOME"])
def test_a_learners_program_finds_no_address_where_it_looks(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, user = "open-sesame", tmp_path / "user"
    user.mkdir()
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(user))
    monkeypatch.delenv("GANNS_HOME") if place == "HOME" else monkeypatch.setenv("GANNS_HOME", str(user / "ours"))
    stored = joined.store(f"postgresql://ada:{secret}@db.example/class")
    assert stored.is_relative_to(user)
    (user / ".pgpass").write_text(f"db.example:5432:class:ada:{secret}\n")
    for name in ("GANNS_DATABASE_URL", "PGPASSWORD", "HF_TOKEN", "WANDB_API_KEY", "GANNS_STORE_SECRET", "MY_DSN"):
        monkeypatch.setenv(name, f"postgresql://ada:{secret}@db.example/class" if name == "MY_DSN" else secret)

    file = tmp_path / "scaling.py"
    file.write_text(LOOKS)
    _, printed = run_check(find(5), file)
    assert (tmp_path / "seen").is_file(), printed
    seen = (tmp_path / "seen").read_text()
    assert "'resolved': 'None'" in seen
    assert "'stored': 'None'" in seen
    assert secret not in seen
    assert str(user) not in seen


def test_packages_of_the_users_own_folder_are_still_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("site.getuserbase", lambda: "/home/ada/.local")
    found = in_home({"HOME": "/home/ada", "XDG_CACHE_HOME": "/home/ada/.cache", "PATH": "/bin"}, tmp_path)
    assert found["PYTHONUSERBASE"] == "/home/ada/.local"
    assert (found["HOME"], found["PATH"]) == (str(tmp_path), "/bin")
    assert "XDG_CACHE_HOME" not in found
