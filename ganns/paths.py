"""Folders of the files that are not Python: in a checkout, in an installed wheel, and below the user's home."""

from __future__ import annotations

import os
from pathlib import Path

from ganns.errors import ConfigError, ResourceMissing

_PACKAGE = Path(__file__).resolve().parent


def conf_dir() -> Path:
    """Return the folder of Hydra's configuration groups."""
    return _find("conf")


def sql_dir() -> Path:
    """Return the folder that holds `migrations/` and `queries/`."""
    return _find("sql")


def exercise_dir(kind: str) -> Path:
    """Return the folder of the exercises' files: `kind` is "starters" or "solutions"."""
    return _find(f"exercise_files/{kind}", checkout=f"docs/exercises/{kind}")


def course_dir() -> Path:
    """Return the folder of the course: lessons, slides, quizzes."""
    return _find("course_files", checkout="docs/course")


def image_dir() -> Path:
    """Return the folder of the documentation's pictures, of which a wheel has those of the course."""
    return _find("course_images", checkout="docs/images")


def user_path(text: str, setting: str) -> Path:
    """Return the path that a user wrote, with `~` and `~user` replaced.

    Raises:
        ConfigError: if there is no such user, or this user has no home; `setting` says where the path was written.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"The folder {text} cannot be used (it begins with the home of a user who has none): write the whole path "
            f"in {setting}, a folder that you may write to."
        ) from error


def home_path() -> Path:
    """Return $GANNS_HOME or ~/.ganns, which need not exist.

    Raises:
        ConfigError: this user has no home.
    """
    return user_path(_wanted_home(), "GANNS_HOME")


def home() -> Path:
    """Return $GANNS_HOME or ~/.ganns, and create it at its first use. It holds pg/, data/ and state/.

    Raises:
        ConfigError: if there is no such folder, and none can be made.
    """
    path = home_path()
    try:
        path = path.resolve()
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {_wanted_home()} cannot be used ({error.strerror}): set GANNS_HOME to a folder that you may "
            "write to."
        ) from error
    return path


def _wanted_home() -> str:
    return os.environ.get("GANNS_HOME") or "~/.ganns"


def _find(name: str, checkout: str | None = None) -> Path:
    """Return the folder inside the package (in a wheel), or beside it (in a checkout, under the name `checkout`)."""
    for path in (_PACKAGE / name, _PACKAGE.parent / (checkout or name)):
        if path.is_dir():
            return path
    raise ResourceMissing(
        f"The folder {name!r} is neither in {_PACKAGE} nor beside it; reinstall with "
        "`pip install -e . -c constraints.txt`."
    )
