"""The example package of docs/tutorial/plugin/, as if it were installed, or another one like it."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from ganns import plugins
from tests.support.helpers import ROOT

EXAMPLE = ROOT / "docs/tutorial/plugin"


def announce(folder: Path, name: str, version: str, points: dict[str, dict[str, str]]) -> None:
    """Write what pip leaves of a package beside its modules: name, version and entry points."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    lines = [
        line for group, some in points.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in some.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")


def announce_example(folder: Path, version: str = "0.1.0") -> None:
    """Announce the example; its modules are found in `EXAMPLE`."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == "0.1.0"
    announce(folder, project["name"], version, project["entry-points"])


def importable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a new folder below `folder`: until the end of the test Python finds packages there, and the example."""
    site = folder / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    plugins.load.cache_clear()
    for name in [name for name in sys.modules if name.startswith(("ganns_example", "noting_plugin"))]:
        monkeypatch.delitem(sys.modules, name)
    return site
