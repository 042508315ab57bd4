"""Files and folders on the command line, as every command reads them."""

from __future__ import annotations

from pathlib import Path

from ganns import paths
from ganns.errors import ConfigError


def user_path(text: str | Path) -> Path:
    """Return a path of the command line, with `~` and `~user` replaced: a shell leaves it in `--out=~/faces.png`.

    Raises:
        ConfigError: it is empty, or begins with the home of a user who has none.
    """
    if not str(text):  # Path("") is the working folder
        raise ConfigError("A path on the command line is empty: is a variable of your shell unset?")
    return paths.user_path(str(text), "the command")
