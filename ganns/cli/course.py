"""`ganns course`: a course of two weeks, as files that an instructor can change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganns.cli.places import user_path
from ganns.utils.console import say

app = typer.Typer(help="A course of two weeks: lessons, slides, quizzes, answers.", no_args_is_help=True)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new folder.", parser=user_path)] = Path("course")) -> None:
    """Write the course into a new folder."""
    from ganns.exercises.course import write_course

    written = write_course(folder)
    say(f"wrote    {len(written)} files\nread     {folder / 'README.md'}\nslides   ganns course slides {folder}")


@app.command()
def quiz(
    folder: Annotated[Path, typer.Argument(help="The folder of the course.", parser=user_path)] = Path("course"),
) -> None:
    """Write the votes of the failure lab as quizzes, one for each day, with answers."""
    from ganns.dashboard.lab.quiz import write_quizzes

    written = write_quizzes(folder)
    for path in written:
        say(str(path))
    if not written:
        say(f"{folder} has the quizzes of all days already: delete one to have it written again.")


@app.command()
def slides(
    folder: Annotated[Path, typer.Argument(help="The folder of the course.", parser=user_path)] = Path("course"),
    run: Annotated[
        str | None, typer.Option(help="Put the faces and curves of this run on the slides: a number, or latest.")
    ] = None,
) -> None:
    """Make presentations of the slides: HTML, and PDF where Chromium is installed."""
    from ganns.exercises.course import BROWSERS, build_slides

    if run is not None:
        _draw(run, folder / "slides" / "images")
    pages, printed = build_slides(folder)
    for path in [*pages, *printed]:
        say(str(path))
    if not printed:
        say(
            f"There are no PDF files: none of {', '.join(BROWSERS)} is installed. A browser can print the pages, with "
            "?print-pdf behind their address."
        )


def _draw(run: str, folder: Path) -> None:
    """Draw a run's faces and losses in place of the pictures that came with the course."""
    from ganns.cli.sample import sample
    from ganns.comparison.table import load
    from ganns.db.choose import coordinator_connection
    from ganns.pictures.plots import plot_losses
    from ganns.store.runs import find_run

    sample(run, out=folder / "class-faces.png")
    with coordinator_connection() as conn:
        record = load(conn, find_run(conn, run).id)
    history = [{"round": row["round"], **row["metrics"]} for row in record.metrics]
    say(f"losses of run {record.run.id}: {plot_losses(history, folder / 'class-losses.png')}")
