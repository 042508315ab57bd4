"""Load an app and its tasks; what cannot be loaded is one sentence, because it fails in every process."""

from __future__ import annotations

import re
import sys
import sysconfig
import traceback
from pathlib import Path

import procrastinate
from procrastinate import exceptions

from ganns.errors import GannsError, TaskUsageError
from ganns.queue.app import App
from ganns.queue.texts import line_of, message_of
from ganns.utils.interpreter import add_the_folder, import_own

CLASS_APP = "tasks.app"
"""The app of a class that trains."""
NOT_THEIRS = [Path(__file__).resolve().parents[1], *(Path(sysconfig.get_path(one)) for one in ("stdlib", "purelib"))]
"""Folders of code that the user did not write."""
PASSING = (OSError, MemoryError)
"""Errors of this machine: another attempt may succeed."""


def load_app(path: str) -> App:
    """Return the app at a dotted path, such as `my_tasks.app`.

    Raises:
        TaskUsageError: if there is none.
    """
    todo = "Give the module and the name of its App, as in `--app my_tasks.app`, in the folder of my_tasks.py"
    if not re.fullmatch(r"\w+(\.\w+)*", path):
        raise TaskUsageError(f"There is no app {path!r}: that is no name with dots. {todo}.")
    try:
        if path != CLASS_APP:
            add_the_folder()
            import_own(path.partition(".")[0])
        app = procrastinate.App.from_path(path)
    except exceptions.LoadFromPathError as error:
        if found := _apps(path):
            todo = f"There is `--app {' or '.join(found)}`"
        raise TaskUsageError(f"There is no app {path!r} ({message_of(error)}). {todo}.") from error
    except PASSING:
        raise
    except (Exception, SystemExit) as error:
        raise TaskUsageError(f"The app {path!r} cannot be loaded: {_where(error)}.") from error
    if not isinstance(app, App):
        raise TaskUsageError(f"{path!r} is procrastinate's App: make it with `from ganns.queue.app import App`.")
    return app


def load_tasks(app: App) -> None:
    """Import the modules of an app's tasks.

    Raises:
        TaskUsageError: if one of them cannot be imported.
        GannsError: if this machine cannot run the tasks.
    """
    try:
        app.perform_import_paths()
    except TaskUsageError as error:  # of the student's code, not of this machine: say where
        raise TaskUsageError(f"The tasks cannot be loaded: {_where(error)}.") from error
    except (GannsError, *PASSING):
        raise
    except (Exception, SystemExit) as error:
        modules = ", ".join(app.import_paths)
        raise TaskUsageError(f"The tasks in {modules} cannot be loaded: {_where(error)}.") from error


def _apps(path: str) -> list[str]:
    """Return the paths of the apps in the module that `path` is, or names one of."""
    for name in (path, path.rpartition(".")[0]):
        if module := sys.modules.get(name):
            return [f"{name}.{key}" for key, value in vars(module).items() if isinstance(value, App)]
    return []


def _where(error: BaseException) -> str:
    """Return the error in one line, with the place in the user's code where it was raised, or the last place of all."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith("<")]
    theirs = [one for one in frames if not any(Path(one.filename).is_relative_to(part) for part in NOT_THEIRS)]
    frames = theirs or frames
    if isinstance(error, SyntaxError):  # its message names the file and the line
        frames = []
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return " ".join(line_of(error).split()) + place
