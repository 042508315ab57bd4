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


def home_path() -> Path:
    """Return $GANNS_HOME or ~/.ganns, which need not exist.

    Raises:
        RuntimeError: this user has no home.
    """
    return Path(os.environ.get("GANNS_HOME") or "~/.ganns").expanduser()


def home() -> Path:
    """Return $GANNS_HOME or ~/.ganns, and create it at its first use. It holds pg/, data/ and state/.

    Raises:
        ConfigError: if there is no such folder, and none can be made.
    """
    wanted = os.environ.get("GANNS_HOME") or "~/.ganns"
    try:
        path = home_path().resolve()
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: this user has no home
        reason = error.strerror if isinstance(error, OSError) else "this user has no home folder"
        raise ConfigError(
            f"The folder {wanted} cannot be used ({reason}): set GANNS_HOME to a folder that you may write to."
        ) from error
    return path


def _find(name: str, checkout: str | None = None) -> Path:
    """Return the folder inside the package (in a wheel), or beside it (in a checkout, under the name `checkout`)."""
    for path in (_PACKAGE / name, _PACKAGE.parent / (checkout or name)):
        if path.is_dir():
            return path
    raise ResourceMissing(
        f"The folder {name!r} is neither in {_PACKAGE} nor beside it; reinstall with `pip install -e .`."
    )
