"""Tell from the way of installation what to type for one of the extras (see pyproject.toml), or to update it.

pip records the place that a package came from (PEP 610). A name alone would not do: another package of that name may
be on the index, and without our constraints pip chooses versions that were not tested.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ganns.errors import MissingExtra


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Import the packages of an extra inside this block.

        with extra("video", "MP4"):
            import imageio_ffmpeg

    Raises:
        MissingExtra: if an import fails; its message begins with `purpose` and says what to install.
    """
    with _imported(purpose, install_command(name)):
        yield


@contextmanager
def package(name: str, purpose: str) -> Iterator[None]:
    """Import a package that no extra of ours has inside this block, for instance in a plug-in.

    Raises:
        MissingExtra: if the import fails; its message begins with `purpose` and says what to install.
    """
    with _imported(purpose, f"pip install {name}"):
        yield


@contextmanager
def _imported(purpose: str, command: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtra(
            f"{purpose} needs a package that is not installed ({error.name or error}): {command}"
        ) from error


def install_command(name: str) -> str:
    """Return the line that adds an extra to this installation, with the versions that were tested."""
    place, commit = _origin()
    if commit:
        return f"pip install 'ganns[{name}] @ git+{place}@{commit}'{_constraints(place, commit)}"
    if place:
        return f"cd {shlex.quote(place)} && pip install -c constraints.txt -e '.[{name}]'"
    return f"pip install 'ganns[{name}]=={_version()}'"


def pinned_command(packages: str) -> str:
    """Return the line that installs packages of the index in the versions that were tested with this program."""
    place, commit = _origin()
    if commit:
        return f"pip install {packages}{_constraints(place, commit)}"
    return (
        f"cd {shlex.quote(place)} && pip install {packages} -c constraints.txt" if place else f"pip install {packages}"
    )


def update_command(required: str) -> str:
    """Return the line that updates this installation to version `required`, like "0.2", or to its newest one."""
    place, commit = _origin()
    if commit:
        return f"pip install --force-reinstall --no-deps git+{place}"
    if place:
        return "git pull"  # without the folder: a worker's reason is stored in the database
    return f"pip install 'ganns=={required}.*'"


def _origin() -> tuple[str, str]:
    """Return a repository's address and the commit, or a checkout's folder and "", or twice ""; without a login."""
    try:
        origin = json.loads(distribution("ganns").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return "", ""
    address = urlsplit(str(origin.get("url", "")))
    if commit := origin.get("vcs_info", {}).get("commit_id"):
        return address._replace(netloc=address.netloc.rpartition("@")[2]).geturl(), commit
    return (url2pathname(address.path), "") if "dir_info" in origin else ("", "")


def _constraints(place: str, commit: str) -> str:
    """Return pip's option for the tested versions at that commit; only GitHub's address of a file is known."""
    if urlsplit(place).hostname != "github.com":
        return ""
    return f" -c {place.removesuffix('/').removesuffix('.git')}/raw/{commit}/constraints.txt"


def _version() -> str:
    try:
        return distribution("ganns").version
    except PackageNotFoundError:
        return "*"
