"""`ganns exercise`: exercises for a course, and their checks."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganns.cli.places import user_path
from ganns.utils.console import Json, cells, say, say_json
from ganns.utils.lms import System
from ganns.utils.lms import grades as table

if TYPE_CHECKING:
    from ganns.exercises.catalogue import Exercise
    from ganns.exercises.report import CheckResult, Report

app = typer.Typer(help="Exercises for a course: start one, check it, show a solution.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="The exercise's number.")]


@app.command("list")
def show() -> None:
    """Show the exercises, and which are done."""
    from rich.table import Table

    from ganns.exercises import progress
    from ganns.exercises.catalogue import EXERCISES
    from ganns.utils.console import wide_console

    noted = progress.load()
    table = Table("", "exercise", "page", "done", "your file")
    for exercise in EXERCISES:
        entry = noted.get(str(exercise.number), {})
        page = f"docs/exercises/{exercise.page}.md"
        table.add_row(*cells(exercise.number, exercise.title, page, entry.get("done") or "", entry.get("file") or ""))
    wide_console().print(table)


@app.command()
def start(
    n: Number,
    folder: Annotated[Path, typer.Argument(help="The folder for the files.", parser=user_path)] = Path("exercises"),
) -> None:
    """Copy an exercise's starter files into a folder. Existing files are never overwritten."""
    from ganns.errors import ConfigError
    from ganns.exercises import progress
    from ganns.exercises.catalogue import find
    from ganns.utils.atomic import replacing

    exercise = find(n)
    if there := [folder / path.name for path in exercise.starters if (folder / path.name).exists()]:
        raise ConfigError(
            f"{there[0]} exists, and is not overwritten: continue with it, `ganns exercise check {n} "
            f"{folder / exercise.file}`, or name another folder."
        )
    for path in exercise.starters:
        with replacing(folder / path.name) as part:
            shutil.copyfile(path, part)
        say(f"wrote    {folder / path.name}")
    progress.begin(n, folder / exercise.file)
    say(f"read     docs/exercises/{exercise.page}.md\ncheck    ganns exercise check {n}")


@app.command()
def check(
    n: Number,
    file: Annotated[
        Path | None, typer.Argument(help="Your file; default: the one that `start` wrote.", parser=user_path)
    ] = None,
    as_json: Json = False,
) -> None:
    """Check your file, and explain each mistake; exit with 1 if there is one."""
    from ganns.exercises import progress
    from ganns.exercises.catalogue import find
    from ganns.exercises.runner import run_check, summary

    exercise = find(n)
    chosen = _file(exercise, file)
    if not as_json:
        say(f"Exercise {n}: {exercise.title}, {chosen}\n")
    report, printed = run_check(exercise, chosen)
    if as_json:
        if report.passed:
            progress.finish(n, chosen)
        say_json({"exercise": n, "file": str(chosen), **_plain(report), "printed": printed})
        raise typer.Exit(0 if report.passed else 1)
    for result in report.results:
        _show(result)
    if printed:
        say("\nIt printed:\n" + _indented(printed))
    if report.passed:
        progress.finish(n, chosen)
        say(f"\n{summary(report.results)}. Exercise {n} is done.")
        return
    say(f"\n{summary(report.results)}. Not done yet; docs/exercises/{exercise.page}.md has hints.")
    raise typer.Exit(1)


@app.command()
def psql(name: Annotated[str, typer.Argument(help="The session's name, which the prompt shows: ada, or bob.")]) -> None:
    """Start psql on the exercises' own PostgreSQL. Two terminals are two sessions, which see the same tables."""
    from ganns.exercises.by_hand import run_psql

    raise typer.Exit(run_psql(name))


@app.command()
def grade(
    folder: Annotated[
        Path,
        typer.Argument(help="The unpacked download of Moodle or Canvas, or a folder of folders.", parser=user_path),
    ],
    exercise: Annotated[
        list[int] | None, typer.Option("--exercise", help="Only this exercise; repeatable. Default: all in the folder.")
    ] = None,
    csv: Annotated[System | None, typer.Option("--csv", help="Print a CSV file for this system.")] = None,
    as_json: Json = False,
    feedback: Annotated[
        Path | None, typer.Option("--feedback", help="A folder for a text file for each student.", parser=user_path)
    ] = None,
) -> None:
    """Check what a class handed in. It runs the students' programs: use an account without valuable data."""
    from tempfile import TemporaryFile

    from ganns.exercises import grading
    from ganns.exercises.catalogue import find
    from ganns.utils.atomic import replacing

    submissions = grading.find_submissions(folder)
    exercises = [find(number) for number in exercise] if exercise else grading.exercises_in(submissions)
    if feedback is not None:  # before the work of minutes: can a file be written there?
        feedback.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=feedback).close()
    graded = []
    for submission in submissions:
        grades = [grading.grade(submission, one) for one in exercises]
        marks = ", ".join(f"exercise {one.exercise.number}: {one.points:g} %" for one in grades)
        say(f"{submission.student}: {marks}", err=csv is not None or as_json)
        if feedback is not None:
            with replacing(feedback / f"{grading.file_name(submission.student)}.txt") as part:
                part.write_text(grading.feedback(grades), encoding="utf-8")
        graded.append((submission.student, grades))
    if csv is not None:
        columns = [(name, {f"Exercise {one.exercise.number}": one.points for one in grades}) for name, grades in graded]
        numbers = {one.student: one.number for one in submissions}
        say(table(csv, columns, numbers if any(numbers.values()) else None), nl=False)
    elif as_json:
        say_json(
            [
                {"student": name, "exercises": {str(one.exercise.number): _plain(one.report) for one in grades}}
                for name, grades in graded
            ]
        )


@app.command()
def solution(n: Number) -> None:
    """Print a solution. Asks first."""
    from ganns.exercises.catalogue import find

    exercise = find(n)
    typer.confirm(f"Show a solution of exercise {n}? You learn more if you solve it first", abort=True)
    for path in exercise.solution:
        say(f"\n# ---- {path.name}\n\n{path.read_text(encoding='utf-8')}", nl=False)


def _plain(report: Report) -> dict[str, Any]:
    """Return a report as programs get it."""
    results = [asdict(result) for result in report.results]
    judged = [one for one in results if one["right"] is not None]
    return {
        "passed": report.passed,
        "right": sum(bool(one["right"]) for one in judged),
        "judged": len(judged),
        "results": results,
    }


def _file(exercise: Exercise, file: Path | None) -> Path:
    """Return the file to check: the one named, the one that `start` wrote last, or the one in ./exercises."""
    from ganns.errors import ConfigError
    from ganns.exercises import progress

    noted = progress.load().get(str(exercise.number), {}).get("file")
    chosen = file or (Path(noted) if noted else Path("exercises") / exercise.file)
    if chosen.is_dir():
        chosen = chosen / exercise.file
    if not chosen.is_file():
        raise ConfigError(
            f"There is no file {chosen}: begin with `ganns exercise start {exercise.number}`, or name your file, "
            f"`ganns exercise check {exercise.number} FILE`."
        )
    return chosen


def _show(result: CheckResult) -> None:
    word, colour = {True: ("ok", "green"), False: ("no", "red"), None: ("--", None)}[result.right]
    typer.secho(f"  {word}  ", fg=colour, nl=False)
    say(result.title)
    if result.detail:
        say(_indented(result.detail))


def _indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.splitlines())
