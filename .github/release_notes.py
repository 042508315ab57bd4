"""Print the changelog's section of a version: `python .github/release_notes.py v0.1.0`.

Fails where the tag, pyproject.toml and CHANGELOG.md do not agree. It needs nothing but Python.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def notes(tag: str, root: Path) -> str:
    """Return the section of `tag` in the changelog of the checkout `root`.

    Raises:
        SystemExit: saying what does not agree.
    """
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    if tag != f"v{version}":
        raise SystemExit(f"The tag is {tag}, and pyproject.toml has version {version}: tag v{version}, or change it.")
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    found = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if not found or not found[1].strip():
        raise SystemExit(
            f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD' with text in it: give [Unreleased] this title, "
            "and put a new, empty [Unreleased] above."
        )
    return found[1].strip() + "\n"


if __name__ == "__main__":
    print(notes(sys.argv[1], Path(__file__).resolve().parent.parent), end="")
