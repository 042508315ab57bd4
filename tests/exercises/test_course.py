"""The course: its folder stands alone, its commands are typed by tests, its slides can be shown and printed."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.errors import ConfigError
from ganns.exercises.catalogue import EXERCISES
from ganns.exercises.course import BROWSERS, OWN, build_slides, documentation, write_course
from tests.support.helpers import ROOT

COURSE = ROOT / "docs/course"
TYPED = [  # pages whose commands tests type: tests/project/test_levels.py, test_tutorials.py, tests/exercises
    *sorted((ROOT / "docs/tutorial").glob("level-*.md")),
    ROOT / "docs/tutorial/first-run.md",
    ROOT / "docs/tutorial/two-machines.md",
    ROOT / "docs/exercises/README.md",
]


def commands(page: Path) -> set[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = {line for language, block in blocks if not language for line in block.splitlines() if line}
    return {re.sub(r"^GANNS_DATABASE_URL=\S+ ", "", line) for line in lines}


def plain(line: str) -> str:
    """Without what differs between a lesson and a page: a number, `stop.*`, a name of a file."""
    return re.sub(r"\bstop\.\w+=\S+|\b\d\b|--name \w+", "", line).strip()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "course"
    write_course(folder)
    return folder


def test_every_link_and_picture_is_in_the_folder_or_on_the_web(written):
    pages = sorted(path for path in written.rglob("*.md") if "html" not in path.parts)
    assert len(pages) == 2 + 6 + 6 + 6 + 2
    away = 0
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
            if target.startswith("http"):
                assert target.startswith(documentation())
                assert (ROOT / "docs" / target.removeprefix(documentation() + "/")).is_file(), f"{page}: {target}"
                away += 1
            else:
                assert (page.parent / target).is_file(), f"{page}: {target}"
    assert away > 10


def test_nothing_is_overwritten(written, tmp_path):
    with pytest.raises(ConfigError, match="name a folder that does not exist"):
        write_course(written)
    done = CliRunner().invoke(app, ["course", "init", str(tmp_path / "new")])
    assert done.exit_code == 0
    assert f"ganns course slides {tmp_path / 'new'}" in done.output


def test_every_command_of_a_lesson_is_typed_by_a_test():
    known = {plain(line) for page in TYPED for line in commands(page)} | {"ganns exercise solution"}
    known |= {"ganns course init my-course", "ganns course slides my-course"}  # in this file
    known |= {"ganns course quiz my-course"}  # tests/dashboard/test_quiz.py
    lessons = [COURSE / "README.md", *sorted((COURSE / "lessons").glob("*.md"))]
    assert len(lessons) == 7
    unknown = {line for page in lessons for line in commands(page) if plain(line) not in known}
    assert not unknown


def test_each_question_of_a_quiz_has_an_answer():
    answers = (COURSE / "instructor/answers.md").read_text("utf-8")
    for number in range(1, 7):
        quiz = (COURSE / f"quizzes/{number}.md").read_text("utf-8")
        before, after = (len(re.findall(r"^\d\. ", part, re.MULTILINE)) for part in quiz.split("## After"))
        own = answers.partition(f"## Quiz {number}:")[2].partition("\n## ")[0]
        given = [len(re.findall(r"^\d\. ", part, re.MULTILINE)) for part in own.split("**After**")]
        assert given == [before, after]
        assert min(before, after) >= 3


def test_each_open_question_of_an_exercise_has_a_rubric():
    answers = (COURSE / "instructor/answers.md").read_text("utf-8").partition("## Rubric")[2]
    pages = list((ROOT / "docs/exercises").glob("[0-9]*-*.md"))
    assert len(pages) == len(EXERCISES)
    for page in pages:
        number = page.name.partition("-")[0]
        questions = re.findall(r"^- ", page.read_text("utf-8").partition("## Questions")[2].partition("\n## ")[0], re.M)
        assert len(re.findall(rf"^\| {number} \|", answers, re.MULTILINE)) >= len(questions) - 1


def test_a_wheel_has_all_pictures(written):
    shipped = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
            "only-include"
        ]
    )
    real = {new: name for name, new in OWN.items()}
    used = {real.get(path.name, path.name) for path in written.rglob("images/*")}
    assert used
    assert {f"docs/images/{name}" for name in used} <= shipped


@pytest.mark.slow
def test_slides_are_shown_and_printed(tmp_path):
    written = tmp_path / "course"
    write_course(written)
    pages, printed = build_slides(written)
    assert [page.name for page in pages] == [f"{number}.html" for number in range(1, 7)]
    for page in pages:
        text = page.read_text("utf-8")
        assert "http" not in re.sub(r"// .*", "", text), "the slides need no network"
        for name in re.findall(r'src="([^"]+)"', text):
            assert (page.parent / name.partition("?")[0]).is_file()
    if any(shutil.which(name) for name in BROWSERS):
        for path, page in zip(printed, pages, strict=True):
            slides = len(re.findall(r"<h[12]>", page.read_text("utf-8")))
            assert path.read_bytes().count(b"/Type /Page\n") == slides
    (written / "slides/1.md").write_text("# Broken\n\n![x](images/none.png)\n")
    with pytest.raises(ConfigError, match=r"have a mistake.*none\.png"):
        build_slides(written)


def test_slides_of_no_course(tmp_path):
    with pytest.raises(ConfigError, match="ganns course init"):
        build_slides(tmp_path)
