"""The database that `ganns join` stored: a file with the address, which only its owner may read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ganns import paths
from ganns.errors import ConfigError
from ganns.utils.atomic import write_text

SOURCE = "`ganns join`"
"""The source of such an address, in messages."""

_tell: Callable[[str], None] | None = None


def file() -> Path:
    """Return the file's path; it may not exist."""
    return paths.home_path() / "joined"


def store(conninfo: str) -> Path:
    """Store an address, password included, and return the file's path: the old one or the new one is there, whole.

    Raises:
        ConfigError: if the folder cannot be written to.
    """
    path = paths.home() / file().name
    try:
        write_text(path, conninfo + "\n", private=True)
    except OSError as error:
        raise ConfigError(
            f"The address cannot be kept in {path} ({error.strerror}): set GANNS_HOME to a folder of your own, or use "
            "the variable GANNS_DATABASE_URL."
        ) from error
    return path


def load() -> str | None:
    """Return the stored address; None if there is none, or it cannot be read."""
    try:
        return file().read_text(encoding="utf-8").strip() or None
    except (OSError, ConfigError, UnicodeError):  # ConfigError: this user has no home
        return None


def forget() -> bool:
    """Delete the stored address; return True if there was one."""
    try:
        file().unlink()
    except (FileNotFoundError, NotADirectoryError, ConfigError):
        return False
    return True


def tell_once(tell: Callable[[str], None]) -> None:
    """Let `tell` print the first note of this process."""
    global _tell
    _tell = tell


def note(text: str) -> None:
    """Tell people something about the address, if a command listens and was told nothing before."""
    global _tell
    if _tell is not None:
        _tell(text)
        _tell = None
