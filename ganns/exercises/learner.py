"""Load a learner's Python file and call its functions, with errors explained as by a teacher.

Every error of the file (a typo, a wrong name, an exception, `sys.exit()`) becomes a `LearnersError`, whose text has the
line number and the last lines of the traceback.
"""

from __future__ import annotations

import linecache
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any


class LearnersError(Exception):
    """The learner's file has an error. The check catches it, and makes it a result."""


class Program:
    """A learner's file, loaded."""

    def __init__(self, file: Path) -> None:
        """Run the file.

        Raises:
            LearnersError: if it cannot be read, is empty, or does not run.
        """
        self.file = file
        try:
            source = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LearnersError(f"{file.name} cannot be read: {error}.") from error
        if not source.strip():
            raise LearnersError(f"{file.name} is empty. Begin with the starter file: `ganns exercise start`.")
        self.module = ModuleType(f"learners_{file.stem}")
        self.module.__file__ = str(file)
        sys.modules[self.module.__name__] = self.module  # dataclasses look for their module there
        try:
            # Compiled with the file's name, so that tracebacks show its lines; no other file is written.
            exec(compile(source, str(file), "exec"), self.module.__dict__)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise LearnersError(f"{file.name} does not run.\n{explain(error, file)}") from error

    def call(self, function: str, *arguments: Any) -> Any:
        """Call one of the file's functions.

        Raises:
            LearnersError: if there is no such function, or it raises an error.
        """
        found = getattr(self.module, function, None)
        if not callable(found):
            raise LearnersError(f"There is no function {function}() in {self.file.name}. Keep the starter's name.")
        try:
            return found(*arguments)
        except KeyboardInterrupt:
            raise
        except NotImplementedError as error:
            raise LearnersError(f"{function}() is still to be written{_where(error, self.file)}.") from error
        except BaseException as error:
            raise LearnersError(f"{function}() stopped with an error.\n{explain(error, self.file)}") from error


def explain(error: BaseException, file: Path) -> str:
    """Return the error and its place in the file, in a few lines: "line 12: total += x", and the error."""
    linecache.checkcache(str(file))
    lines = []
    if isinstance(error, SyntaxError) and error.filename == str(file):
        lines.append(f"line {error.lineno}: {(error.text or '').strip()}")
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if frame.filename == str(file)]
    lines += [f"line {frame.lineno}: {frame.line}" for frame in mine[-3:]]
    if mine and frames[-1].filename != str(file):
        lines.append(f"  (inside {Path(frames[-1].filename).name}, line {frames[-1].lineno})")
    what = "".join(traceback.format_exception_only(error)).strip().splitlines()
    lines.append(what[-1][:300])
    return "\n".join(lines)


def _where(error: BaseException, file: Path) -> str:
    mine = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f" (line {mine[-1].lineno})" if mine else ""
