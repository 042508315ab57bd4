"""What this program declares that it needs, and the installed packages that this brings."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.helpers import ROOT

OWN = "ganns"


def declared(*extras: str) -> list[Requirement]:
    """Return the requirements in pyproject.toml: of the program, or of the extras that are named."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [line for name in extras for line in project["optional-dependencies"][name]]
    return [Requirement(line) for line in (lines if extras else project["dependencies"])]


def direct(requirements: Iterable[Requirement]) -> set[str]:
    """Return the distributions that these name; psycopg[pool] names psycopg-pool, too."""
    found = set()
    for one in requirements:
        found.add(canonicalize_name(one.name))
        found |= {
            canonicalize_name(other.name) for other in _requires(one) if other.marker and "extra" in str(other.marker)
        }
    return found


def closure(requirements: Iterable[Requirement]) -> dict[str, Distribution]:
    """Return every distribution that pip would install for these, by name."""
    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    waiting = list(requirements)
    while waiting:
        one = waiting.pop()
        key = canonicalize_name(one.name), ",".join(sorted(one.extras))
        if key not in done:
            done.add(key)
            found[key[0]] = distribution(one.name)
            waiting += _requires(one)
    return found


def top_level(one: Distribution) -> set[Path]:
    """Return the files and folders of a distribution in site-packages."""
    names = {path.parts[0] for path in one.files or () if path.parts[0] not in ("..", "__pycache__")}
    return {Path(str(one.locate_file(name))) for name in names}


def _requires(one: Requirement) -> list[Requirement]:
    """Return what a requirement requires here, with its extras."""
    found = map(Requirement, distribution(one.name).requires or ())
    return [
        other
        for other in found
        if other.marker is None or any(other.marker.evaluate({"extra": extra}) for extra in ("", *one.extras))
    ]
