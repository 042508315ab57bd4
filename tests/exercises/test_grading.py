"""`ganns exercise grade`: the files of a class as Moodle and Canvas give them out; marks, and nothing else changes."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ganns import paths
from ganns.cli.app import app
from ganns.errors import ConfigError
from ganns.exercises import grading, progress
from ganns.exercises.catalogue import find
from ganns.exercises.report import Report
from tests.exercises.pupil import solved, starter

# Exercise 5 needs no torch, so its checks take no time.
MISTAKE = ("seconds_alone / seconds_together", "seconds_together / seconds_alone")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The grader's own, with an exercise that was done."""
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    progress.finish(1, tmp_path / "mine.py")
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A download of Moodle, with one student's file as Canvas names it."""
    found = tmp_path / "handed in"
    ada = found / "Ada Lovelace_4711_assignsubmission_file_"
    ben = found / "Ben_12_assignsubmission_file_" / "my exercises"
    for one in (ada, ben):
        one.mkdir(parents=True)
    solved(5, ada)
    solved(5, ben, MISTAKE)
    (found / "Chloé_13_assignsubmission_file_").mkdir()
    late = starter(5, tmp_path)
    shutil.copyfile(late, found / "deniz_LATE_17_4711_scaling-2.py")
    (found / ".DS_Store").write_bytes(b"")
    return found


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, ["exercise", *words])
    assert result.exit_code == 0, result.output
    return result


def everything(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def test_submissions_of_both_systems_are_found(folder: Path, tmp_path: Path) -> None:
    found = grading.find_submissions(folder)
    assert [one.student for one in found] == ["Ada Lovelace", "Ben", "Chloé", "deniz"]
    assert [sorted(one.files) for one in found] == [
        ["scaling.csv", "scaling.py"],
        ["scaling.csv", "scaling.py"],
        [],
        ["scaling.py"],
    ]
    assert [one.number for one in grading.exercises_in(found)] == [5]
    with pytest.raises(ConfigError, match="There is no folder"):
        grading.find_submissions(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="There is no submission in"):
        grading.find_submissions(tmp_path / "empty")


def test_two_students_of_one_name_are_two(folder: Path, home: Path, tmp_path: Path) -> None:
    """Else one would get the marks of both, and the other one none. A text and a file of one student stay together."""
    other = folder / "Ada Lovelace_4712_assignsubmission_file_"
    text = folder / "Ada Lovelace_4711_assignsubmission_onlinetext_"
    for one in (other, text):
        one.mkdir()
    solved(5, other, MISTAKE)
    (text / "onlinetext.html").write_text("my notes")
    shutil.copyfile(other / "scaling.py", folder / "deniz_18_4713_scaling.py")
    found = {one.student: sorted(one.files) for one in grading.find_submissions(folder)}
    assert list(found) == ["Ada Lovelace (4711)", "Ada Lovelace (4712)", "Ben", "Chloé", "deniz (17)", "deniz (18)"]
    assert found["Ada Lovelace (4711)"] == ["onlinetext.html", "scaling.csv", "scaling.py"]
    done = run("grade", str(folder), "--csv", "moodle", "--feedback", str(tmp_path / "feedback"))
    marks = {row["Full name"]: float(row["Exercise 5"]) for row in csv.DictReader(io.StringIO(done.stdout))}
    assert marks["Ada Lovelace (4711)"] == 100
    assert marks["Ada Lovelace (4712)"] < 100
    assert {one.stem for one in (tmp_path / "feedback").iterdir()} == set(marks)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_an_unusable_place_for_feedback_is_said_before_the_first_check(
    place: str, folder: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(grading, "grade", lambda *_: pytest.fail("a check was run"))
    result = CliRunner().invoke(app, ["exercise", "grade", str(folder), "--feedback", str(tmp_path / place)])
    assert isinstance(result.exception, OSError)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_link_leads_nowhere(folder: Path, tmp_path: Path) -> None:
    """A link in a download could show the grader's own files in the feedback."""
    secret = tmp_path / "scaling.py"
    secret.write_text("password = 1")
    (folder / "eve").mkdir()
    (folder / "eve" / "scaling.py").symlink_to(secret)
    found = {one.student: one.files for one in grading.find_submissions(folder)}
    assert found["eve"] == {}


def test_a_class_is_graded_and_nothing_of_the_graders_or_the_students_changes(
    folder: Path, home: Path, tmp_path: Path
) -> None:
    before = everything(folder), everything(home)
    done = run("grade", str(folder), "--csv", "moodle", "--feedback", str(tmp_path / "feedback"))
    found = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["Identifier"] for row in found if row["Full name"] == "Ada Lovelace"} == {"Participant 4711"}
    rows = {row["Full name"]: row["Exercise 5"] for row in found}
    assert rows["Ada Lovelace"] == "100.0"
    assert 0 < float(rows["Ben"]) < 100
    assert rows["Chloé"] == "0.0"
    assert float(rows["deniz"]) < float(rows["Ben"])
    assert "Ben: exercise 5:" in done.stderr
    assert (everything(folder), everything(home)) == before
    said = {one.stem: one.read_text() for one in (tmp_path / "feedback").iterdir()}
    assert set(said) == set(rows)
    assert "Exercise 5: Measure scaling" in said["Ada Lovelace"]
    assert "upside down" in said["Ben"]
    assert "There is no scaling.py." in said["Chloé"]


def test_a_submission_that_writes_into_the_home_reaches_another_one(folder: Path, home: Path) -> None:
    file = folder / "Ben_12_assignsubmission_file_" / "my exercises" / "scaling.py"
    file.write_text(
        "import os, pathlib\n"
        "home = pathlib.Path(os.environ['GANNS_HOME'])\n"
        "(home / 'exercises.json').write_text('{}')\n"
        "print('wrote into', home)\n" + file.read_text().replace("from __future__ import annotations", "")
    )
    before = everything(home)
    [submission] = [one for one in grading.find_submissions(folder) if one.student == "Ben"]
    found = grading.grade(submission, find(5))
    assert "wrote into" in found.printed
    assert str(home) not in found.printed
    assert everything(home) == before
    assert paths.home() == home


def test_json_for_programs(folder: Path, home: Path) -> None:
    found = json.loads(run("grade", str(folder), "--json", "--exercise", "5").stdout)
    assert [one["student"] for one in found] == ["Ada Lovelace", "Ben", "Chloé", "deniz"]
    assert found[0]["exercises"]["5"]["passed"] is True
    assert {"right", "title", "detail"} == set(found[1]["exercises"]["5"]["results"][0])


@pytest.mark.parametrize("change", [None, MISTAKE])
def test_a_check_as_json(change: tuple[str, str] | None, home: Path, tmp_path: Path) -> None:
    file = solved(5, tmp_path, *([change] if change else []))
    result = CliRunner().invoke(app, ["exercise", "check", "5", str(file), "--json"])
    found = json.loads(result.output)
    assert (result.exit_code, found["passed"]) == ((0, True) if change is None else (1, False))
    assert found["exercise"] == 5
    assert (found["right"] == found["judged"]) == (change is None)
    assert len(found["results"]) >= found["judged"]
    assert (progress.load().get("5") is not None) == (change is None)


def test_points_and_names() -> None:
    report = Report()
    assert grading.Grade("ada", find(1), report, "").points == 0
    report.right("a")
    report.remark("b")
    report.wrong("c", "why\n\x1b[2J")
    one = grading.Grade("ada", find(1), report, "\x07 loud")
    assert one.points == 50
    assert "\x1b" not in grading.feedback([one])
    assert "\x07" not in grading.feedback([one])
    assert grading.file_name("../../etc/passwd") == "_.._etc_passwd"
    assert grading.file_name("Zoë Ω <b>") == "Zoë Ω _b_"
    assert grading.file_name("...") == "unnamed"
