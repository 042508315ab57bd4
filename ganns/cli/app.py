"""`ganns`: the commands, and the display of their errors.

Every command's module imports only small modules at its top, and the rest inside its function: `ganns --help`
answers at once and loads no torch.
"""

from __future__ import annotations

import errno
import os
import sys
from functools import partial
from typing import Annotated, NoReturn

import typer

from ganns.cli import (
    compare,
    completion,
    course,
    credit,
    dashboard,
    data,
    db,
    demo,
    doctor,
    evaluate,
    exercise,
    export,
    join,
    microscope,
    plugin,
    replay,
    runs,
    sample,
    search,
    solo,
    students,
    tasks,
    top,
    worker,
)
from ganns.db import joined
from ganns.errors import ConfigError, GannsError
from ganns.utils.console import print_any_text, say
from ganns.utils.interpreter import leave_out_the_folder
from ganns.utils.printable import MAX_LENGTH, keep_logs_printable, printable
from ganns.utils.signals import sigterm_as_ctrl_c

app = typer.Typer(
    name="ganns",
    help="A class trains one GAN together: workers compute, PostgreSQL connects them.",
    epilog="Start with `ganns demo`. Add `--debug` to any line to show an error's traceback.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"ganns {version('ganns')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)


# Hydra reads all arguments of these commands, also --help.
_HYDRA = {"ignore_unknown_options": True, "help_option_names": []}
_Overrides = Annotated[list[str] | None, typer.Argument(autocompletion=completion.overrides)]


@app.command("train", context_settings=_HYDRA, add_help_option=False)
def train(arguments: _Overrides = None) -> None:
    """Train over all workers that reach the database: `ganns train experiment=demo`, `ganns train --help`."""
    from ganns.launch import compose as hydra_application

    raise typer.Exit(hydra_application.run(arguments or []))


@app.command("solo", context_settings=_HYDRA, add_help_option=False)
def alone(arguments: _Overrides = None) -> None:
    """Train the same configuration in this process, without database or workers: `ganns solo experiment=demo`."""
    raise typer.Exit(solo.solo(arguments or []))


app.command("join")(join.join)
app.command("leave")(join.leave)
app.command("worker")(worker.worker)
app.command("doctor")(doctor.doctor)
app.command("dashboard")(dashboard.dashboard)
app.command("top")(top.top)
app.command("compare")(compare.compare)
app.command("replay")(replay.replay)
app.command("verify")(replay.verify)
app.command("search")(search.search)
app.command("evaluate")(evaluate.evaluate)
app.command("sample")(sample.sample)
app.command("export")(export.export)
app.command("timelapse")(sample.timelapse)
app.command("push")(export.push)
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.add_typer(credit.app, name="credit")
app.add_typer(tasks.app, name="tasks")
app.add_typer(students.app, name="students")
app.add_typer(db.app, name="db")
app.add_typer(exercise.app, name="exercise")
app.add_typer(course.app, name="course")
app.add_typer(microscope.app, name="microscope")
app.add_typer(plugin.app, name="plugin")


def main() -> NoReturn:
    """Run the command on `sys.argv` and exit: 0, 1 for an error, 2 for a wrong setting, 130 after Ctrl-C or SIGTERM."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    print_any_text()
    keep_logs_printable()
    leave_out_the_folder()
    joined.tell_once(partial(say, err=True))
    try:
        with sigterm_as_ctrl_c():
            app(args=arguments, prog_name="ganns")
    except GannsError as error:
        if debug:
            raise
        _show_error(error)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except OSError as error:
        if debug or error.errno is None:
            raise
        _show_error(GannsError(_of_the_system(error)))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _of_the_system(error: OSError) -> str:
    """Return a sentence about a file or a folder that cannot be used; about the network we raise errors of our own."""
    if error.errno == errno.ENOENT and _is_lost():
        return "The working folder is not there any more: `cd` to another one."
    if error.filename is None:
        return f"The system says: {error.strerror}. `--debug` anywhere on the line shows where."
    name, todo = str(error.filename), "Choose another place."
    if isinstance(error, IsADirectoryError):
        todo = "That is a folder: give the name of a file in it."
    elif isinstance(error, PermissionError):
        todo = "Choose a place where you may write."
    if not os.path.isabs(name):
        name += f", in the folder {os.getcwd()},"
    return f"{name} cannot be used ({error.strerror}). {todo}"


def _is_lost() -> bool:
    """Return whether the working folder was deleted."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def _show_error(error: GannsError) -> None:
    """Print one error on stderr: red on a terminal, a plain line in a pipe."""
    from rich.text import Text

    from ganns.utils.console import SafeConsole

    # soft_wrap: in a pipe an error stays one line; Text: square brackets in a message are not markup.
    words = Text(printable(error, 2 * MAX_LENGTH, lines=True))
    SafeConsole(stderr=True, soft_wrap=True).print(Text("Error: ", style="bold red") + words)
