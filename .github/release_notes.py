"""Print the changelog's section of a version: `python .github/release_notes.py v0.1.0`.

Fails if the tag, pyproject.toml and CHANGELOG.md have different versions. Needs only Python.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def notes(tag: str, root: Path) -> str:
    """Return the section of `tag` in the changelog of the checkout `root`.

    Raises:
        SystemExit: with a message that says which versions differ.
    """
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    if tag != f"v{version}":
        raise SystemExit(f"The tag is {tag}, but pyproject.toml has version {version}: tag v{version}, or change it.")
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    found = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if not found or not found[1].strip():
        raise SystemExit(
            f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD' with text: give [Unreleased] this title, "
            "and add a new, empty [Unreleased] above it."
        )
    return found[1].strip() + "\n"


if __name__ == "__main__":
    print(notes(sys.argv[1], Path(__file__).resolve().parent.parent), end="")
